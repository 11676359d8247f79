"""Code of the user's own that is wrong: one line that says what it raised, and where."""

import json
import sys

import pytest
from made_up import CONFIG, run

MODULES = {
    "boom": "raise RuntimeError('boom at\\nimport')",
    "bye": "import sys; sys.exit(0)",
    "data": """
def none(): return None
def boom(): raise RuntimeError('no\\ndata')
number = 5
""",
    "spaces": """
from nagevo.spaces.base import SearchSpace
class Space(SearchSpace):
    n_options, choice_names = (3, 4), ('a', 'b')
    def to_text(self, choices): raise KeyError('x')
    def _parse(self, text): return [0, 0]
class Lacking(SearchSpace):
    n_options, choice_names = (3, 4), ('a', 'b')
""",
    "devices": """
import sys
from nagevo.measure.latency.base import Device
class Raises(Device):
    def measure(self, space, choices): raise RuntimeError('the board\\nis gone')
class Exits(Device):
    def measure(self, space, choices): sys.exit(0)
""",
}


def trained_on(dataset: str) -> dict:
    return {"accuracy": {"evaluator": "training", "dataset": {"name": dataset}}}


def measured_by(backend: str) -> dict:
    return {"devices": {"own": {"backend": backend}}}


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    for name, text in MODULES.items():
        (tmp_path / f"own_{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"own_{name}", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def called(command: str, sections: dict) -> str:
        words = [word.replace("CONFIG", json.dumps(CONFIG | sections)) for word in command.split()]
        code, out, err = run(monkeypatch, capsys, *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err

    return called


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            measured_by("own_boom:Device"),
            "cannot be imported: RuntimeError: boom at import ({folder}/own_boom.py:1, ",
        ),
        (measured_by("own_bye:Device"), "cannot be imported: SystemExit: 0 ({folder}/own_bye.py:1, in <module>)"),
        (trained_on("own_data:number"), "is not a class or function, but of the type int"),
        ({"space": {"name": "own_spaces:Lacking"}}, 'space "own_spaces:Lacking" lacks _parse, to_text'),
        (
            {"space": {"name": "own_spaces:Space"}},
            "code of your own raised KeyError: 'x' ({folder}/own_spaces.py:5, in to_text)",
        ),
    ],
)
def test_own_code_that_cannot_be_used_is_one_line_with_its_place(command, tmp_path, sections, message):
    assert message.format(folder=tmp_path) in command("sample --config CONFIG --number 3 --output o.csv", sections)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            "own_data:none",
            '"own_data:none": expected a nagevo.training.datasets.base.Source from it, got None',
        ),
        ("own_data:boom", "code of your own raised RuntimeError: no data ({folder}/own_data.py:3, in boom)"),
    ],
)
def test_a_dataset_of_ones_own_that_is_none_is_one_line(command, tmp_path, dataset, message):
    assert message.format(folder=tmp_path) in command("step splits --config CONFIG --output o.csv", trained_on(dataset))
