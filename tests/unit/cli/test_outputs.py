"""Commands that write: what is there and is not theirs stays, and is named at once."""

import json

import pytest
from made_up import CONFIG, run

from nagevo.foundation.errors import OutputError
from nagevo.foundation.writing import replacing_folder
from nagevo.report import figures


@pytest.mark.parametrize("output", ["folder", "below/file.csv", "read_only.csv", "/dev/null"])
def test_a_file_that_cannot_be_written_is_named_before_the_work(tmp_path, monkeypatch, capsys, output):
    (tmp_path / "folder").mkdir()
    (tmp_path / "below").write_text("mine")
    (tmp_path / "read_only.csv").write_text("mine")
    (tmp_path / "read_only.csv").chmod(0o444)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capsys, "sample", "--config", "no such config", "--output", output)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no such config" not in err
    assert (tmp_path / "read_only.csv").read_text() == (tmp_path / "below").read_text() == "mine"


def test_the_workflow_is_put_into_a_folder_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "Snakefile").symlink_to("nowhere")
    code, _, err = run(monkeypatch, capsys, "init", str(tmp_path))
    assert (code, err.count("\n"), "has Snakefile already" in err) == (2, 1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Snakefile", "notes.txt"]
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "Snakefile").unlink()
    code, *_ = run(monkeypatch, capsys, "init", str(tmp_path))
    assert code == 0
    names = ["Snakefile", "config.yaml", "notes.txt", "resources", "workflow"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_figures_replace_those_of_earlier_and_no_others(tmp_path):
    content = {"stages": {"stage": ["score"], "wall_s": [2.0]}}
    for _ in range(2):
        figures.write_figures(content, tmp_path / "figures", {"stages": figures.stages})
    (tmp_path / "figures/mine.svg").write_text("mine")
    with pytest.raises(OutputError, match=r"holds mine\.svg"):
        figures.write_figures(content, tmp_path / "figures", {"stages": figures.stages})
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "figures.json",
        "mine.svg",
        "stages.png",
        "stages.svg",
    ]


def test_no_single_file_is_written_over_a_part_of_a_folder_of_nagevos(tmp_path, monkeypatch, capsys):
    with replacing_folder(tmp_path / "generator", "manifest.json") as new:
        (new / "a.csv").write_text("part")
    for name in ("a.csv", "manifest.json"):
        output = str(tmp_path / "generator" / name)
        code, _, err = run(monkeypatch, capsys, "train", "--config", "no such config", "--output", output)
        assert (code, err.count("\n"), "is one of the files that" in err) == (2, 1, True)
    assert (tmp_path / "generator/a.csv").read_text() == "part"


@pytest.mark.parametrize("name", ["net.json", "net.ort", "net"])
def test_a_network_is_written_as_onnx_under_no_other_ending(tmp_path, monkeypatch, capsys, name):
    code, _, err = run(monkeypatch, capsys, "generate", "--budget", "1", "--onnx", str(tmp_path / name))
    assert (code, err) == (2, f"nagevo: expected a name that ends in .onnx, got {tmp_path / name}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("search --config {config} --output ./t.csv", "--output: expected another file than t.csv, which the command"),
        ("train --config {config} --output c.json", "--output: expected another file than c.json, which"),
        ("search --config {config} --output h.csv --cheap ./h.csv", "--cheap: expected another file than that of --ou"),
        ("score --config {config} --architectures t.csv --output t.csv", "--output: expected another file than t.csv"),
        ("compare --config {config} t.csv --output o --page t.csv", "--page: expected another file than t.csv, which"),
    ],
)
def test_an_output_over_an_input_or_another_output_is_refused(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "t.csv").write_text("mine")
    (tmp_path / "c.json").write_text(json.dumps(CONFIG | {"accuracy": {**CONFIG["accuracy"], "path": "t.csv"}}))
    monkeypatch.chdir(tmp_path)
    code, _, err = run(monkeypatch, capsys, *arguments.format(config="c.json").split())
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert (tmp_path / "t.csv").read_text() == "mine"


STEPS = {
    "step distill": "--measurements m --conditions c --surrogates s f",
    "step relearn": "--measurements m --conditions c --before b --bundle b",
    "step deploy": "--bundle b --device d --tuned t",
    "compare": "h.parquet",
    "report": "--bundle b --measurements m --evaluation e --frontiers f --benchmarks b --networks n --figures {folder}",
    "catalog nets": "",
    "export": "--budget 1",
    "finetune": "--budget 1",
    "export --architectures a.csv": "",
}


@pytest.mark.parametrize("command", STEPS)
def test_a_folder_with_foreign_files_is_refused_before_the_work(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes.txt").write_text("mine")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/accuracies.csv").write_text("architecture,accuracy\na,50\n")
    config = [] if command.startswith(("export", "finetune", "catalog")) else ["--config", "c.json"]
    output = "page.html" if command == "report" else "folder"
    words = [*command.split(), *config, "--output", output, *STEPS[command].format(folder="folder").split()]
    code, _, err = run(monkeypatch, capsys, *words)
    assert (code, err.count("\n"), "folder holds notes.txt, which nagevo did not write" in err) == (2, 1, True), err
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["notes.txt"]
