"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from nagevo.spaces.base import SearchSpace

SLOW_FILES = (
    "workflow/test_verification_rounds.py",  # whole experiments
    "unit/deploy/test_deployment.py",  # a trained supernet, fine-tuned and exported
    "workflow/test_run.py",
    "workflow/test_interruptions.py",
    "workflow/*",
    "unit/test_docs.py",  # an experiment, from images to a network
    "unit/evaluate/test_benchmark.py",  # generators, and PNAG's beside them
    "unit/generator/test_adapting.py",  # many bundles
    "unit/generator/test_bad_numbers.py",
    "unit/generator/test_quantities.py",  # exported files
    "unit/spaces/test_slimmed.py",  # published architectures, traced and sliced
    "unit/spaces/test_once_for_all.py",  # networks of full size
    "unit/test_core.py",  # a bundle, and each command as a process of its own
    "unit/measure/test_supernet.py",  # trained supernets
    "unit/test_fuzzing.py",  # a hundred inputs to every reader
)
"""Files whose tests are all slow: left out by ``make check``, and begun before the others, in this order."""

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

hypothesis.settings.register_profile("short", deadline=None)
hypothesis.settings.register_profile(
    "long",
    parent=hypothesis.settings.get_profile("short"),
    max_examples=100_000,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("short")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long by where it lies and what it needs, and begin with it: workers then end together."""
    begin = {}
    for item in items:
        if "tables" not in item.keywords and "shared_data" in item.fixturenames:
            item.add_marker("tables")
        slow = [number for number, name in enumerate(SLOW_FILES) if item.path.match(f"tests/{name}")]
        if slow:
            item.add_marker("slow")
        if "browser" in item.fixturenames:
            item.add_marker("browser")
        begin[item] = min(slow, default=len(SLOW_FILES))
    items.sort(key=begin.__getitem__)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public benchmark data; skip the test where it is absent."""
    folder = Path(os.environ.get("NAGEVO_DATA", DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data in {folder}; set NAGEVO_DATA to the folder that holds nasbench201.parquet")
    return folder


class ConvolutionSpace(SearchSpace):
    """One convolution of 4 or 64 channels on an 8 × 8 image, or a third architecture that cannot be built."""

    n_options = (3,)
    choice_names = ("width",)
    input_shape = (1, 8, 8)

    def to_text(self, choices):
        return [str(width) for (width,) in choices]

    def _parse(self, text):
        return [int(text)]

    def network(self, choices):
        from torch import nn

        if choices[0] == 2:
            raise MemoryError("out of\nmemory")
        width = (4, 64)[choices[0]]
        return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten())


@pytest.fixture
def convolution_space() -> ConvolutionSpace:
    """Return a space of two networks that are built in no time, and of one that fails."""
    return ConvolutionSpace()
