"""Commands that read files which another program changed: one line says which file, and what is wrong."""

import json

import pytest
from made_up import learned, measured, run

DAMAGED = [
    "{}",
    "[]",
    "null",
    '{"confidence": "high", "devices": {}}',
    '{"confidence": 0.9, "devices": []}',
    '{"confidence": 0.9, "devices": {"exact": {}}}',
    '{"confidence": 0.9, "devices": {"exact": {"metrics": {"generator": 5}}}}',
    '{"confidence": 0.9, "devices": {"exact": {"metrics": {"generator": {"hypervolume_ratio": "x"}}}}}',
    "no JSON",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "generator"
    learned(measured(40, "exact"), folder)
    return folder


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_evaluation_is_one_line(bundle, monkeypatch, capsys, text):
    path = bundle.parent / "evaluation.json"
    path.write_text(text)
    code, _, err = run(monkeypatch, capsys, "show", str(bundle))
    path.unlink()
    assert (code, err.count("\n"), f"file {path} is not" in err) == (2, 1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "--budget", "5", "--count", "0"], "Invalid value for '--count'"),
        (["adapt", "--device", "x", "--architectures", "o.csv", "--probes", "0"], "Invalid value for '--probes'"),
        (["finetune", "--budget", "5", "--output", "o", "--learning-rate", "inf"], "a learning rate above 0, got inf"),
        (["finetune", "--budget", "5", "--output", "o", "--dataset", "{"], "as a name or as JSON"),
        (["sample", "--config", "c.json", "--number", "-5", "--output", "o.csv"], "Invalid value for '--number'"),
        (["train", "--config", "c.json", "--output", "o"], "nothing to train"),
        (["search", "--config", "c.json", "--output", "o.csv", "--weights", "w"], "leave out --weights"),
        (["search", "--config", "s.json", "--output", "o.csv"], "has to be trained first"),
        (["score", "--config", "s.json", "--architectures", "a.csv", "--output", "o.csv"], "has to be trained first"),
        (["score", "--config", "c.json", "--architectures", "a.csv", "--output", "o.csv", "--split", "a"], "'--split'"),
        (["benchmark", "--config", "c.json", "--output", "o.csv", "--pairs", "-1"], "Invalid value for '--pairs'"),
        (["benchmark", "--config", "c.json", "--output", "o.csv", "--probes", "0,-5"], "expected --probes as"),
        (["benchmark", "--config", "c.json", "--output", "o.csv", "--cost", "weight"], 'cost "weight" is unknown'),
        (["benchmark", "--config", "{}", "--output", "o.csv"], "the section devices is missing"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(bundle, tmp_path, monkeypatch, capsys, arguments, message):
    table = {"evaluator": "table", "path": "t.csv", "column": "accuracy"}
    config = {"space": {"name": "nasbench201"}, "devices": {"exact": {"backend": "table", "path": "t.csv"}}, "seed": 0}
    supernet = {"evaluator": "supernet", "dataset": {"name": "mnist5k"}}
    search = {"evaluations": 4, "rounds": 1}
    (tmp_path / "c.json").write_text(json.dumps(config | {"accuracy": table, "search": search}))
    small = {"space": {"name": "mobilenetv3", "resolution": 28, "channels": 1, "classes": 10}}
    (tmp_path / "s.json").write_text(json.dumps(config | small | {"accuracy": supernet, "search": search}))
    (tmp_path / "t.csv").write_text("architecture,accuracy,latency_ms\n")
    monkeypatch.chdir(tmp_path)
    if arguments[0] in ("generate", "adapt", "finetune", "benchmark"):
        arguments = [*arguments, "--bundle", str(bundle)]
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
