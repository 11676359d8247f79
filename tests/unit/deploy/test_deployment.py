"""From an answer to files: fine-tuning and export, with a supernet that was trained for a moment."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from interruption import interrupted_at
from made_up import learned, measured, run

import nagevo
from nagevo.deploy.config import DeployConfig
from nagevo.deploy.deployment import Deployment
from nagevo.experiment import delivery
from nagevo.experiment.config import Component, DeviceConfig, parse_config
from nagevo.experiment.delivery import budgets, deliver, folder_names
from nagevo.experiment.learning import distill, kept_weights
from nagevo.foundation.errors import ConfigError, DataError, MissingDependency, OutputError
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.predictor import Predictor
from nagevo.measure.latency.base import Device
from nagevo.measure.measurements import Measurements
from nagevo.training import loop
from nagevo.training.datasets import SPLITS, Pool, Source

CONFIG = {
    "experiment": "bars",
    "space": {
        "name": "mobilenetv3",
        "resolution": 12,
        "channels": 1,
        "classes": 3,
        "width_multiplier": 1.0,
        "divisor": 2,
        "stem_width": 4,
        "first_width": 4,
        "stage_widths": [4, 4, 6, 6, 8],
        "strides": [2, 1, 2, 1, 1],
        "head_width": 8,
        "feature_width": 8,
    },
    "accuracy": {
        "evaluator": "supernet",
        "dataset": {"name": f"{__name__}:bars"},
        "training": {"epochs": 2, "batch_size": 16, "warmup_epochs": 1},
        "calibration_examples": 24,
    },
    "devices": {"phone": {"backend": "table", "path": "t.parquet"}},
    "verify": {"rounds": 0},
    "generator": {"steps": 50, "hidden": 16, "probes": 3, "synthetic_devices": 0},
}


def bars() -> Source:
    """Return noisy images with a bright horizontal, vertical or no bar; 48 for each split."""
    labels, pools = np.arange(48) % 3, {}
    for number, split in enumerate(SPLITS):
        images = np.random.default_rng(number).integers(0, 40, (48, 12, 12), dtype=np.uint8)
        images[labels == 0, 4:7] += 180
        images[labels == 1, :, 4:7] += 180
        pools[split] = Pool(images, labels)
    return Source("bars", ("horizontal", "vertical", "none"), pools)


@pytest.fixture(scope="module")
def save_bundle():
    """Return what writes a bundle of 40 architectures with their multiply–accumulates over 10,000 as latency in ms."""
    experiment = parse_config(CONFIG)
    space = experiment.create_space()
    choices = space.sample_distinct(40, rng=np.random.default_rng(0))
    latency_ms = space.costs(choices)["macs"] / 1e4
    accuracy = 90.0 - 20.0 / latency_ms
    measurements = Measurements(choices, np.zeros(40, dtype=int), accuracy, {"phone": latency_ms})
    features = space.features(choices)
    latency = {"phone": fit_latency(features, latency_ms, accuracy=accuracy)}
    predictor = Predictor(space, measurements, fit_accuracy(features, accuracy), latency, ["phone"])

    def save(folder, weights=None):
        distill(experiment, predictor, choices[::8], folder, weights=weights)
        return folder

    return save


@pytest.fixture(scope="module")
def learned_table(tmp_path_factory):
    """Return a bundle of an experiment whose accuracies come from a table, without images."""
    folder = tmp_path_factory.mktemp("table") / "generator"
    learned(measured(40, "exact"), folder)
    return folder


@pytest.fixture(scope="module")
def bundle(save_bundle, tmp_path_factory):
    folder, experiment = tmp_path_factory.mktemp("bars"), parse_config(CONFIG)
    experiment.create_evaluator(experiment.create_space()).train(folder / "weights")
    return save_bundle(folder / "generator", folder / "weights")


@pytest.fixture(scope="module")
def answer(bundle):
    """Return the answer to a boundless budget, which was measured."""
    return nagevo.generate(1e3, bundle=bundle)


@pytest.fixture(scope="module")
def tuned(answer, tmp_path_factory):
    """Return a folder with the answer's network after training on, and what was returned."""
    folder = tmp_path_factory.mktemp("tuned") / "network"
    return folder, answer.finetune(folder, epochs=6, learning_rate=0.05, threads=1)


def accuracy_of(network, split: str, description) -> float:
    """Return the accuracy of a network in percent, computed image by image from the description's preprocessing."""
    pool = bars().pools[split]
    right = 0
    for pixels, label in zip(pool.inputs, pool.labels, strict=True):
        x = (torch.from_numpy(pixels).float() / 255 - description["mean"][0]) / description["std"][0]
        right += int(network(x[None, None]).argmax()) == label
    return 100 * right / len(pool)


def test_fine_tuning_reports_the_test_accuracy_before_and_after(answer, tuned):
    _, deployment = tuned
    accuracy = deployment.description["accuracy"]
    assert accuracy["test_before"] == pytest.approx(accuracy_of(answer.network(), "test", deployment.description))
    assert accuracy["test"] == pytest.approx(accuracy_of(deployment.network, "test", deployment.description))
    assert accuracy["test"] > accuracy["test_before"]
    n = len(bars().pools["test"].labels)
    share = (accuracy["test"] / 100 * n + 1) / (n + 2)
    errors = deployment.description["standard_errors"]
    assert list(errors) == list(accuracy)
    assert errors["test"] == pytest.approx(100 * (share * (1 - share) / (n + 2)) ** 0.5)


def test_fine_tuning_keeps_the_weights_that_were_best_on_the_validation_images(tuned):
    _, deployment = tuned
    accuracy, scores = deployment.description["accuracy"], deployment.description["finetuning"]["validation_of_epochs"]
    assert len(scores) == 6
    assert accuracy["validation"] == max(accuracy["validation_before"], *scores)
    assert accuracy["validation"] == pytest.approx(
        accuracy_of(deployment.network, "validation", deployment.description)
    )


def test_a_fine_tuned_network_comes_back_from_its_folder_as_a_plain_module(tuned):
    folder, deployment = tuned
    loaded = Deployment.load(folder)
    torch.testing.assert_close(loaded.network.state_dict(), deployment.network.state_dict(), rtol=0, atol=0)
    assert type(loaded.network).__name__ == "SeparableNetwork"
    assert not loaded.network.training
    assert loaded.description == json.loads(json.dumps(deployment.description))


def test_fine_tuning_that_was_interrupted_ends_with_the_same_bytes(answer, tuned, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    options = {"epochs": 6, "learning_rate": 0.05, "threads": 1}
    with interrupted_at(4):
        answer.finetune(tmp_path / "network", **options)
    assert not (tmp_path / "network").exists()
    answer.finetune(tmp_path / "network", **options)
    for name in ("weights.safetensors", "network.json"):
        assert (tmp_path / "network" / name).read_bytes() == (tuned[0] / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["network"]


@pytest.fixture(scope="module")
def weightless(save_bundle, tmp_path_factory):
    """Return a bundle without weights, as of an evaluator that reads accuracies from a table."""
    return save_bundle(tmp_path_factory.mktemp("weightless") / "generator")


def test_an_answer_without_weights_is_refused_in_one_line(weightless, tmp_path, monkeypatch, capsys):
    answer = nagevo.generate(1e3, bundle=weightless)
    for refused in (answer.network, answer.deployment, partial(answer.finetune, tmp_path / "out")):
        with pytest.raises(ConfigError, match="has no trained weights of the answer: train it with `nagevo finetune"):
            refused()
    with pytest.raises(ConfigError, match="has no trained weights"):
        answer.export_onnx(tmp_path / "net.onnx")
    asked = ("--bundle", str(weightless), "--budget", "1000")
    for command in ("export", "finetune"):
        code, _, err = run(monkeypatch, capsys, command, *asked, "--output", str(tmp_path / "out"))
        assert (code, err.count("\n"), "--untrained" in err) == (2, 1, True)
    code, _, err = run(monkeypatch, capsys, "generate", *asked, "--onnx", str(tmp_path / "net.onnx"))
    assert (code, err.count("\n"), "--untrained" in err) == (2, 1, True)
    assert not list(tmp_path.iterdir())


def test_networks_that_were_trained_alone_are_handed_over_with_their_weights(tmp_path):
    accuracy = CONFIG["accuracy"] | {"evaluator": "training"}
    experiment = parse_config(CONFIG | {"accuracy": accuracy})
    space = experiment.create_space()
    choices = space.extremes()
    evaluator = experiment.create_evaluator(space)
    evaluator.keep(tmp_path / "trained")
    evaluator.evaluate(choices)
    table = Measurements(choices, np.zeros(2, dtype=int), np.array([50.0, 60.0]), {"phone": np.array([1.0, 2.0])})
    predictor = FixedPredictor(space, table)
    path = kept_weights(experiment, predictor, tmp_path / "trained", tmp_path / "weights")
    loaded = experiment.create_evaluator(space)
    loaded.load(path)
    for row in choices:
        expected, got = (known.network(row).state_dict() for known in (evaluator, loaded))
        torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert kept_weights(experiment, predictor, tmp_path / "nothing", tmp_path / "weights") is None


def test_an_untrained_network_is_called_so_and_repeats_no_accuracy(weightless, tmp_path, monkeypatch, capsys):
    answer = nagevo.generate(1e3, bundle=weightless)
    first, second = (answer.network(untrained=True).state_dict() for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    asked = ("--bundle", str(weightless), "--budget", "1000", "--untrained")
    code, _, err = run(monkeypatch, capsys, "export", *asked, "--output", str(tmp_path / "out"))
    assert (code, "is untrained: its weights are random" in err) == (0, True)
    card = (tmp_path / "out/README.md").read_text()
    assert "on phone, untrained" in card
    assert "not trained and has no accuracy" in card
    assert "%" not in card
    code, _, err = run(monkeypatch, capsys, "generate", *asked, "--onnx", str(tmp_path / "net.onnx"))
    assert (code, "is untrained: its weights are random" in err) == (0, True)
    for path in (tmp_path / "net.onnx", tmp_path / "out/network.onnx"):
        known = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        assert (known["trained"], known["accuracy"]) == ("false", "{}")


def test_an_answer_is_trained_from_scratch_whatever_the_evaluator(weightless, tmp_path, monkeypatch, capsys):
    asked = ("--bundle", str(weightless), "--budget", "1000", "--from-scratch", "--epochs", "12", "--threads", "1")
    code, out, err = run(monkeypatch, capsys, "finetune", *asked, "--output", str(tmp_path / "out"))
    assert (code, "test accuracy" in out, "before" in out) == (0, True, False), err
    deployment = Deployment.load(tmp_path / "out")
    accuracy = deployment.description["accuracy"]
    assert accuracy["test"] == pytest.approx(accuracy_of(deployment.network, "test", deployment.description))
    assert accuracy["test"] > 60  # one of three classes at random: 33
    assert deployment.description["trained"]
    deployment.export(tmp_path / "exported")
    assert "| trained from scratch | 12 epochs" in (tmp_path / "exported/README.md").read_text()


def test_training_from_scratch_needs_a_dataset(learned_table, tmp_path, monkeypatch, capsys):
    asked = ("finetune", "--bundle", str(learned_table), "--budget", "1000", "--from-scratch")
    code, _, err = run(monkeypatch, capsys, *asked, "--output", str(tmp_path / "out"))
    assert (code, "has no dataset to train on: name one with --dataset" in err) == (2, True)
    code, _, err = run(monkeypatch, capsys, *asked, "--dataset", '{"train": 5}', "--output", str(tmp_path / "out"))
    assert (code, "as JSON with the key name" in err) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limits", [math.inf, {"parameters": 1e9}])
def test_an_answer_without_a_budget_is_exported(bundle, tmp_path, limits):
    answer = nagevo.generate(limits, bundle=bundle)
    answer.deployment().export(tmp_path / "out")
    assert Deployment.load(tmp_path / "out").description["budget_ms"] is None
    assert "# bars: any budget on phone" in (tmp_path / "out/README.md").read_text()


def test_a_folder_that_holds_no_network_is_one_clear_line(tuned, tmp_path):
    with pytest.raises(DataError, match=r"network\.json does not exist"):
        Deployment.load(tmp_path)
    (tmp_path / "network.json").write_text("{}")
    (tmp_path / "weights.safetensors").write_bytes((tuned[0] / "weights.safetensors").read_bytes())
    with pytest.raises(DataError, match="is not the description of a network that nagevo wrote"):
        Deployment.load(tmp_path)
    quantized = json.loads((tuned[0] / "network.json").read_text()) | {"precision": "int8"}
    (tmp_path / "network.json").write_text(json.dumps(quantized))
    with pytest.raises(DataError, match=r"network\.onnx"):
        Deployment.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": [1, 5, 5]},
        {"input_shape": "large"},
        {"space": {"name": "nothing"}},
        {"architecture": 7},
        {"accuracy": 90.0},
        {"machine": []},
        {"budget_ms": "5"},
        {"measures": "time"},
        {"mean": 0.5},
        None,
    ],
)
def test_a_damaged_description_is_one_clear_line(tuned, tmp_path, change, monkeypatch, capsys):
    for name in ("weights.safetensors", "network.json"):
        shutil.copy(tuned[0] / name, tmp_path)
    description = json.loads((tmp_path / "network.json").read_text())
    (tmp_path / "network.json").write_text(json.dumps([] if change is None else description | change))
    code, _, err = run(monkeypatch, capsys, "export", "--network", str(tmp_path), "--output", str(tmp_path / "out"))
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()


def test_an_exported_file_names_the_right_classes_by_its_own_metadata(tuned, tmp_path):
    deployment = Deployment.load(tuned[0])
    assert deployment.export_onnx(tmp_path / "net.onnx") < 1e-4
    known = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert json.loads(known["classes"]) == ["horizontal", "vertical", "none"]
    mean, std = np.array(json.loads(known["mean"])), np.array(json.loads(known["std"]))
    session, pool = onnxruntime.InferenceSession(tmp_path / "net.onnx"), bars().pools["test"]
    images = ((pool.inputs[:, None] / 255 - mean) / std).astype(np.float32)
    named = [int(session.run(None, {"inputs": image[None]})[0].argmax()) for image in images]
    assert 100 * np.mean(named == pool.labels) == pytest.approx(deployment.description["accuracy"]["test"])


def test_the_crop_of_images_is_in_the_file_and_on_the_card(tuned, tmp_path):
    deployment = Deployment.load(tuned[0])
    cropped = Deployment(deployment.network, {**deployment.description, "crop": 0.8})
    cropped.export(tmp_path / "out")
    known = {entry.key: entry.value for entry in onnx.load(tmp_path / "out/network.onnx").metadata_props}
    assert json.loads(known["crop"]) == 0.8
    assert "with 0.8 of the shorter side, is scaled" in (tmp_path / "out/README.md").read_text()


def test_an_answer_is_exported_with_a_card_that_says_what_it_is(answer, tmp_path):
    differences = answer.deployment().export(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "network.json",
        "network.onnx",
        "weights.safetensors",
    ]
    assert list(differences) == ["network.onnx"]
    card = (tmp_path / "out/README.md").read_text()
    (macs,) = answer.networks.space.costs(answer.networks.space.from_text([answer.architecture]))["macs"]
    for text in (answer.architecture, "1000 ms on phone", "horizontal, vertical, none", f"torch {torch.__version__}"):
        assert text in card
    assert f"| latency measured | {macs / 1e4:.4g} ms" in card
    assert f"{answer.accuracy:.2f} %" in card


def test_openvino_computes_what_torch_computes(tuned, tmp_path):
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    differences = Deployment.load(tuned[0]).export(tmp_path / "out", openvino=True)
    assert differences["openvino/network.xml"] < 1e-4
    assert "INFERENCE_PRECISION_HINT" in (tmp_path / "out/README.md").read_text()


def test_a_format_whose_package_is_absent_says_what_to_install(answer, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingDependency, match=r"pip install 'nagevo\[openvino\]'"):
        answer.deployment().export(tmp_path / "out", openvino=True)
    assert not list(tmp_path.iterdir())


def test_the_commands_fine_tune_and_export(bundle, monkeypatch, capsys, tmp_path):
    asked = ("--bundle", str(bundle), "--budget", "1000")
    tuning = ("finetune", *asked, "--epochs", "1", "--threads", "1", "--output", str(tmp_path / "tuned"))
    code, out, _ = run(monkeypatch, capsys, *tuning)
    assert (code, "test accuracy" in out, "before" in out) == (0, True, True)
    exporting = ("export", "--network", str(tmp_path / "tuned"), "--output", str(tmp_path / "out"))
    code, out, _ = run(monkeypatch, capsys, *exporting)
    assert code == 0
    assert "network.onnx: largest difference of an output from torch's" in out
    code, out, err = run(monkeypatch, capsys, *exporting, *asked)
    assert (code, out, err) == (2, "", "nagevo: expected one of --budget, --network and --architectures\n")


@pytest.mark.parametrize("command", ["export", "finetune"])
@pytest.mark.parametrize("output", ["foreign", ".", "generator", "file", "link", "/"])
def test_the_commands_remove_nothing_that_nagevo_did_not_write(bundle, monkeypatch, capsys, tmp_path, command, output):
    (tmp_path / "foreign").mkdir()
    for name in ("foreign/README.md", "file"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "link").symlink_to("foreign")
    shutil.copytree(bundle, tmp_path / "generator")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    code, _, err = run(monkeypatch, capsys, command, "--bundle", "generator", "--budget", "1000", "--output", output)
    assert (code, err.count("\n")) == (2, 1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "link").is_symlink()


def test_an_earlier_export_is_replaced_also_in_the_current_folder(bundle, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        code, *_ = run(monkeypatch, capsys, "export", "--bundle", str(bundle), "--budget", "1000", "--output", ".")
        assert code == 0
        assert len(list(tmp_path.iterdir())) == 4
    assert Deployment.load(tmp_path).description["budget_ms"] == 1000


def test_no_network_is_written_over_a_part_of_an_export(answer, tmp_path):
    answer.deployment().export(tmp_path / "deploy")
    before = (tmp_path / "deploy/network.onnx").read_bytes()
    for export_onnx in (answer.export_onnx, answer.deployment().export_onnx):
        with pytest.raises(OutputError, match=r"is one of the files that .*network\.json lists"):
            export_onnx(tmp_path / "deploy/network.onnx")
        with pytest.raises(OutputError, match=r"expected a name that ends in \.onnx, got .*net\.json"):
            export_onnx(tmp_path / "net.json")
    assert (tmp_path / "deploy/network.onnx").read_bytes() == before


def test_a_description_of_other_weights_is_refused(answer, tuned, tmp_path):
    answer.deployment().save(tmp_path / "out")
    shutil.copy(tuned[0] / "weights.safetensors", tmp_path / "out")
    with pytest.raises(DataError, match=r"network\.json describes other weights than weights\.safetensors holds"):
        Deployment.load(tmp_path / "out")


class FixedPredictor:
    """Knows measurements on the device ``phone`` and nothing else."""

    known = ("phone",)

    def __init__(self, space, measurements):
        self.space, self.measurements = space, measurements


class MacsDevice(Device):
    """Takes a millisecond for 10,000 multiply–accumulates, and twice as long for the largest network."""

    def measure(self, space, choices):
        macs = space.costs(choices)["macs"] / 1e4
        largest = space.costs(space.extremes())["macs"].max() / 1e4
        return pd.DataFrame({"latency_ms": np.where(macs == largest, 2 * macs, macs), "status": "ok"})


PHONE = DeviceConfig("phone", Component(f"{__name__}:MacsDevice"))


@pytest.fixture(scope="module")
def delivery_of(bundle, tmp_path_factory):
    """Return what delivers answers to some budgets into a folder, with one folder for the trained networks."""
    generator, trained = nagevo.load(bundle), tmp_path_factory.mktemp("trained")
    config = DeployConfig(budgets=[generator.steps()[0].bound, 1e3, 1e-6], epochs=1)

    def made(folder, **changes):
        return deliver(generator, PHONE, replace(config, **changes), folder, confidence=0.9, tuned=trained)

    return made


@pytest.fixture(scope="module")
def delivered(delivery_of, tmp_path_factory):
    """Return the folder of a delivery, and its table."""
    folder = tmp_path_factory.mktemp("delivered") / "networks"
    return folder, delivery_of(folder)


def test_an_experiment_ends_with_networks_that_run_and_a_table_of_them(bundle, delivered):
    (folder, index), space = delivered, nagevo.load(bundle).space
    assert json.loads((folder / "index.json").read_text()) == json.loads(json.dumps(index))
    assert [refused["asked"] for refused in index["refused"]] == [1e-6]
    assert len(index["networks"]) == 2
    for network in index["networks"]:
        place = folder / network["folder"]
        deployment = Deployment.load(place)
        assert deployment.description["budget_ms"] == network["asked"]
        assert accuracy_of(deployment.network, "test", deployment.description) == network["accuracy"]["test"]
        assert network["accuracy"]["exported"] == network["accuracy"]["test"]  # run in onnxruntime
        session = onnxruntime.InferenceSession(place / "network.onnx")
        assert session.run(None, {"inputs": np.zeros((1, 1, 12, 12), np.float32)})[0].shape == (1, 3)
        (macs,) = space.costs(space.from_text([network["architecture"]]))["macs"]
        assert network["measured"] in (macs / 1e4, 2 * macs / 1e4)
        assert network["kept"] == (network["measured"] <= network["asked"])
        assert "| latency measured once more |" in (place / "README.md").read_text()
    assert len(list((folder / "references").glob("*.onnx"))) == 2


def test_a_delivery_that_is_made_again_trains_nothing_again(delivery_of, delivered, tmp_path, monkeypatch):
    folder, index = delivered

    def trained_again(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(delivery, "finetune", trained_again)
    assert delivery_of(tmp_path / "again") == index
    for network in index["networks"]:
        weights = (place / network["folder"] / "weights.safetensors" for place in (folder, tmp_path / "again"))
        assert len({path.read_bytes() for path in weights}) == 1
    with pytest.raises(AssertionError, match="trained again"):  # more epochs are another training
        delivery_of(tmp_path / "again", epochs=2)


def test_networks_are_trained_on_at_the_learning_rate_of_the_config(answer, tmp_path, monkeypatch):
    rates, finetune = [], delivery.finetune

    def recorded(*arguments, learning_rate, **options):
        rates.append(learning_rate)
        return finetune(*arguments, learning_rate=learning_rate, **options)

    monkeypatch.setattr(delivery, "finetune", recorded)
    deploy = {"budgets": [1e3], "epochs": 1}
    for options in (deploy, {**deploy, "learning_rate": 0.005}):
        config = parse_config({**CONFIG, "deploy": options}).deploy
        delivery.trained(answer, answer.networks.trainer(), config, tmp_path)
    assert rates == [0.02, 0.005]  # by default 0.02; another rate is another training


def test_budgets_that_differ_in_the_fifth_digit_have_a_folder_each(bundle):
    asked = budgets(nagevo.load(bundle), "phone", DeployConfig(budgets=[0.12341, 0.12349, 5, 5.0]), 0.9)
    assert folder_names(asked, "ms") == ["0.12341ms", "0.12349ms", "5ms"]
    assert len(set(folder_names([1 / 3, np.nextafter(1 / 3, 1)], "ms"))) == 2
    assert folder_names([0.12341, 5.0], "ms") == ["0.1235ms", "5ms"]


def test_a_number_of_budgets_is_spread_over_the_range_of_the_answers(bundle):
    generator = nagevo.load(bundle)
    low, high = generator.steps()[0].bound, generator.steps()[-1].bound
    asked = budgets(generator, "phone", DeployConfig(), 0.9)
    assert asked == pytest.approx([low, (low * high) ** 0.5, high], rel=1e-3)
    assert asked[0] >= low  # rounded up, so that both ends are answered
    assert asked[-1] >= high
    assert budgets(generator, "phone", DeployConfig(budgets=1), 0.9) == asked[-1:]


def test_infeasible_budgets_end_with_3(bundle, monkeypatch, capsys, tmp_path):
    for command in ("finetune", "export"):
        arguments = (command, "--bundle", str(bundle), "--budget", "0.0001", "--output", str(tmp_path / "out"))
        assert run(monkeypatch, capsys, *arguments)[0] == 3
    assert not list(tmp_path.iterdir())
