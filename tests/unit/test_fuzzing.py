"""Damaged and foreign input, by the hundred here and by the 100,000 with ``pytest --hypothesis-profile=long``.

Every reader returns what it should or raises an error of nagevo; a file with checksums is never read as something else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from made_up import CONFIG, SPACE, learned, measured, seal

import nagevo
from nagevo.experiment.config import load_config, parse_config
from nagevo.foundation.errors import NagevoError
from nagevo.foundation.tables import write_table
from nagevo.generator.bundle import MANIFEST
from nagevo.learn import trees
from nagevo.measure.latency.block_table import read_block_table
from nagevo.measure.latency.command import parse_quantity
from nagevo.measure.measurements import Measurements
from nagevo.measure.tables import ArchitectureTable
from nagevo.spaces import create_space
from nagevo.training.tensors import load_tensors, save_tensors

EVERYTHING = 2**20
EDITS = st.lists(
    st.tuples(st.integers(0, 2**20), st.sampled_from([0, 0, 1, 1, 2, 8, 100, EVERYTHING]), st.binary(max_size=8)),
    min_size=1,
    max_size=4,
)
"""Places in a file, how many bytes are dropped there, and what is put in their place."""

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return the content with all edits made; places beyond its end count from its beginning again."""
    for place, dropped, put in edits:
        start = place % (len(content) + 1)
        content = content[:start] + put + content[start + dropped :]
    return content


def outcome(read: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a reader returns, or None and the one line that says what is wrong."""
    try:
        return read(), ""
    except NagevoError as error:
        refusal = str(error)
    assert "\n" not in refusal
    return None, refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzzing")


SPACES = {name: create_space(name) for name in ("mobilenetv3", "nasbench201", "dag", "conv1d")}


@pytest.mark.parametrize("name", SPACES)
@given(text=st.one_of(st.text(), st.none(), st.integers(), st.floats()), edits=EDITS, seed=st.integers(0, 9))
def test_a_text_is_an_architecture_that_can_be_written_again_or_is_refused(name, text, edits, seed):
    space = SPACES[name]
    written = space.to_text(space.sample(1, rng=np.random.default_rng(seed)))[0]
    for candidate in (text, edited(written.encode(), edits).decode(errors="replace")):
        choices, _ = outcome(lambda candidate=candidate: space.from_text([candidate]))
        if choices is not None:
            space.check(choices)
            again = space.from_text(space.to_text(choices))
            np.testing.assert_array_equal(space.canonical(again), space.canonical(choices))


CONFIG_TEXT = yaml.safe_dump({**CONFIG, "compare": {"strategies": ["random"]}, "seed": 3}).encode()


@given(edits=EDITS)
@example(edits=[(0, EVERYTHING, b"&a [*a]")])
@example(edits=[(0, EVERYTHING, b"[" * 5000)])
@example(edits=[(0, EVERYTHING, b"!!int ''")])
def test_a_file_is_a_config_that_says_the_same_again_or_is_refused_by_name(folder, edits):
    path = folder / "config.yaml"
    path.write_bytes(edited(CONFIG_TEXT, edits))
    experiment, refusal = outcome(lambda: load_config(path))
    if experiment is None:
        assert "config.yaml" in refusal
    else:
        assert parse_config(deepcopy(experiment.raw)).raw == experiment.raw


PLACES = [("seed",), ("experiment",), ("space",), ("space", "name"), ("space", "width"), ("accuracy",), ("devices",)]
PLACES += [("accuracy", "evaluator"), ("devices", "exact"), ("devices", "exact", "backend"), ("devices", 1)]
PLACES += [("search",), ("search", "strategy"), ("search", "evaluations"), ("compare", "strategies"), ("generator",)]
PLACES += [("generator", "learning_rate"), ("evaluation", "reference_point"), ("devices", "a/../b"), (None,)]


@given(place=st.sampled_from(PLACES), value=st.one_of(JSON, st.dates()))
@example(place=("generator", "learning_rate"), value=math.nan)
@example(place=("search", "evaluations"), value=20.0)
@example(place=("experiment",), value="../outside")
@example(place=("experiment",), value="name\n")
@example(place=("compare", "strategies"), value=["../../outside"])
@example(place=("devices", "accuracy"), value={"backend": "torch"})
def test_any_value_in_a_config_is_used_as_it_is_or_refused(place, value):
    raw = deepcopy(CONFIG)
    section = raw
    for key in place[:-1]:
        section = section.setdefault(key, {})
    section[place[-1]] = value
    experiment, _ = outcome(lambda: parse_config(raw))
    if experiment is not None:
        names = [experiment.name, *experiment.devices, *experiment.compare.strategies]
        assert all(name and name == Path(name).name and name == name.strip() for name in names)
        assert "accuracy" not in experiment.devices  # the surrogate of accuracies has that name
        assert isinstance(experiment.search.evaluations, int)
        assert math.isfinite(experiment.generator.learning_rate)


TABLE = measured(6, "exact").to_frame(SPACE)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@given(edits=EDITS)
def test_a_damaged_table_is_refused_by_name_or_read_as_it_was_written(folder, suffix, edits):
    original, path = folder / f"original{suffix}", folder / f"damaged{suffix}"
    if not original.exists():
        write_table(TABLE, original)
    path.write_bytes(edited(original.read_bytes(), edits))
    read, refusal = outcome(lambda: Measurements.from_files([path], SPACE))
    if read is None:
        assert path.name in refusal
    elif suffix == ".parquet":
        pd.testing.assert_frame_equal(read.to_frame(SPACE), TABLE, check_like=True)
    values, refusal = outcome(lambda: ArchitectureTable(path, "accuracy").values(SPACE, SPACE.extremes()))
    assert path.name in refusal or values.shape == (2,)


@given(edits=EDITS)
@example(edits=[(0, EVERYTHING, b"a: {mean: 1" + b"0" * 400 + b"}")])
@example(edits=[(0, EVERYTHING, b"a: " + b"[" * 5000)])
@example(edits=[(0, EVERYTHING, b"a: !!int ''")])
@example(edits=[(0, EVERYTHING, b"a: &a [*a]")])
def test_a_damaged_lookup_table_is_refused_by_name_or_holds_latencies(folder, edits):
    entries = {f"Conv-input:{i}": {"mean": 0.5 * i, "std": 0.0} for i in range(4)}
    path = folder / "damaged.yaml"
    path.write_bytes(edited(yaml.safe_dump(entries).encode(), edits))
    means, refusal = outcome(lambda: read_block_table(path))
    assert "damaged.yaml" in refusal or all(0 <= mean < math.inf for mean in means.values())


TENSORS = {"network.weight": torch.arange(6.0).view(2, 3), "calibration.labels": torch.tensor([1, 0])}


@given(edits=EDITS)
def test_damaged_weights_are_refused_by_name(folder, edits):
    original, path = folder / "weights.safetensors", folder / "damaged.safetensors"
    if not original.exists():
        save_tensors(TENSORS, {"classes": ["a", "b"]}, original)
    path.write_bytes(edited(original.read_bytes(), edits))
    read, refusal = outcome(lambda: load_tensors(path))
    if read is None:
        assert "damaged.safetensors" in refusal
    else:
        tensors, about = read
        assert about == {"classes": ["a", "b"]}
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


class Bundle:
    """A bundle on disk whose files can be damaged for a while."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.contents = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        self.manifest = folder / MANIFEST

    @contextmanager
    def changed(self, path: Path, content: bytes) -> Iterator[None]:
        """Hold another content in a file, and put file and manifest back at the end."""
        path.write_bytes(content)
        try:
            yield
        finally:
            for each in (path, self.manifest):
                each.write_bytes(self.contents[each])

    def described(self) -> dict[str, Any]:
        """Return the manifest."""
        return json.loads(self.contents[self.manifest])

    def answer(self) -> Any:
        """Return the answer to a boundless budget."""
        return nagevo.load(self.folder).generate(1e308, confidence=0.5)


@pytest.fixture(scope="module")
def bundle(folder) -> Bundle:
    """Return a bundle that is read in no time: four measurements on one device, two trees in a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_TREES", 2)
        learned(measured(4, "exact"), folder / "bundle")
    return Bundle(folder / "bundle")


@given(number=st.integers(0, 2**20), edits=EDITS)
def test_a_bundle_with_a_damaged_file_is_refused_by_name(bundle, number, edits):
    path = list(bundle.contents)[number % len(bundle.contents)]
    content = edited(bundle.contents[path], edits)
    with bundle.changed(path, content):
        loaded, refusal = outcome(lambda: nagevo.load(bundle.folder))
    if content != bundle.contents[path] and path != bundle.manifest:
        assert loaded is None
    assert loaded or str(bundle.folder) in refusal


@given(number=st.integers(0, 2**20), edits=EDITS)
def test_a_damaged_bundle_that_was_sealed_again_is_refused_by_name_or_answers(bundle, number, edits):
    paths = [path for path in bundle.contents if path != bundle.manifest]
    path = paths[number % len(paths)]
    with bundle.changed(path, edited(bundle.contents[path], edits)):
        seal(bundle.folder)
        answer, refusal = outcome(bundle.answer)
    if answer is None:
        assert str(bundle.folder) in refusal
    else:
        assert 0 < answer.latency_bound_ms < math.inf
        assert SPACE.from_text([answer.architecture]).shape == (1, 6)


MANIFEST_KEYS = ["experiment", "space", "accuracy", "devices", "seed", "candidates", "files", "format"]


@given(key=st.sampled_from(MANIFEST_KEYS), value=JSON)
@example(key="space", value={"name": "subprocess:Popen", "args": "touch damage; false", "shell": True})
@example(key="space", value={"name": "nagevo.spaces:create_space"})
@example(key="files", value={"a\0b": ""})
@example(key="files", value={"x" * 5000: ""})
def test_a_manifest_that_says_something_else_is_refused_by_name_or_answers(bundle, key, value):
    with bundle.changed(bundle.manifest, json.dumps(bundle.described() | {key: value}).encode()):
        answer, refusal = outcome(bundle.answer)
    assert answer or str(bundle.folder) in refusal
    assert not Path("damage").exists()


@given(text=st.one_of(st.text(), st.floats().map(str), st.floats().map("{} ms".format)))
def test_what_a_program_prints_is_a_latency_or_refused(text):
    latency_ms, refusal = outcome(lambda: parse_quantity(text))
    assert refusal or 0 < latency_ms < math.inf
