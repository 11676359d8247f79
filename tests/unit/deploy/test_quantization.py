"""Networks in int8: quantized, scored, timed, and delivered."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits

from nagevo.deploy.deployment import Deployment
from nagevo.deploy.finetuning import finetune
from nagevo.deploy.quantization import Int8Network, quantized, with_batch
from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.accuracy.dataset import readings
from nagevo.measure.latency import create_device
from nagevo.spaces import create_space
from nagevo.spaces.memory import PEAK, WEIGHTS
from nagevo.spaces.onnx_graph import memory_of_model

OPTIONS = {"width": 8, "cells": 1, "resolution": 8, "channels": 1, "classes": 10}
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
RECIPE = {"epochs": 2, "batch_size": 64, "warmup_epochs": 0.1, "learning_rate": 0.1}


@pytest.fixture(scope="module")
def space():
    return create_space("nasbench201", **OPTIONS, precisions=["fp32", "int8"])


@pytest.fixture(scope="module")
def evaluator(space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    inputs, labels = load_digits(return_X_y=True)
    np.savez(folder / "digits.npz", inputs=inputs.reshape(-1, 1, 8, 8).astype(np.float32), labels=labels)
    dataset = {"name": "arrays", "path": str(folder / "digits.npz")}
    evaluator = create_evaluator("training", space, dataset=dataset, training=RECIPE)
    evaluator.keep(folder / "kept")
    return evaluator


@pytest.fixture(scope="module")
def rows(space):
    return space.from_text([CELL, f"{CELL}@int8"])


@pytest.fixture(scope="module")
def table(evaluator, rows):
    return evaluator.evaluate(rows)


def test_texts_say_the_precision_where_it_is_int8(space, rows):
    assert space.to_text(rows) == [CELL, f"{CELL}@int8"]
    assert space.precisions_of(rows).tolist() == ["fp32", "int8"]
    assert space.words(rows[1])[-1] == "int8"
    with pytest.raises(ArchitectureError, match="it is in fp32, expected int8"):
        create_space("nasbench201", **OPTIONS, precisions=["int8"]).from_text([CELL])


def test_a_precision_is_refused_where_nothing_can_be_quantized():
    with pytest.raises(ConfigError, match=r"space.precisions: .* has no networks to build"):
        create_space("nasbench_graph", precisions=["int8"])
    with pytest.raises(ConfigError, match=r'precisions.0: expected one of fp32, int8, got "int4"'):
        create_space("nasbench201", precisions=["int4"])


def test_precision_changes_memory_and_not_operations(space, rows):
    needs = space.needs(rows)
    assert all(needs[name][0] == needs[name][1] for name in ("parameters", "macs"))
    assert all(needs[name][1] < needs[name][0] / 2 for name in (PEAK, WEIGHTS))


def test_both_precisions_are_of_one_training(evaluator, space, rows, table):
    float32, int8 = table.to_dict("records")
    assert (float32["status"], int8["status"]) == ("ok", "ok")
    assert float32["accuracy"] > 60
    assert abs(float32["accuracy"] - int8["accuracy"]) < 5
    first, second = (evaluator.network(row).state_dict() for row in rows)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_accuracy_is_that_of_the_quantized_file(evaluator, space, rows, table, tmp_path):
    shape = space.input_shape
    calibration = torch.cat([x for x, _ in evaluator.calibration(shape).first(256).batches(32)]).numpy()
    model = quantized(evaluator.network(rows[1]), shape, calibration)
    assert model == quantized(evaluator.network(rows[1]), shape, calibration)  # the same bytes
    session = onnxruntime.InferenceSession(with_batch(model, 1))
    correct = [
        int(session.run(None, {"inputs": x[None].numpy()})[0].argmax()) == int(label)
        for inputs, labels in evaluator.examples("validation").batches(64)
        for x, label in zip(inputs, labels, strict=True)
    ]
    assert table["accuracy"][1] == pytest.approx(100 * np.mean(correct))
    assert readings(Int8Network(model), evaluator.examples("validation"))[0] == pytest.approx(table["accuracy"][1])


@pytest.mark.usefixtures("table")
def test_weights_and_activations_of_the_file_take_what_was_computed(evaluator, space, rows):
    model = onnx.load_from_string(with_batch(quantized(evaluator.network(rows[1]), space.input_shape), 1))
    found = space.memory(rows)
    assert memory_of_model(model) == {PEAK: found[PEAK][1], WEIGHTS: pytest.approx(found[WEIGHTS][1], rel=0.02)}


def test_onnxruntime_times_both_precisions_and_torch_says_that_it_cannot(space, rows):
    quick = {"rounds": 1, "runs": 2, "spread_s": 0.0}
    times = create_device("onnxruntime", **quick).measure(space, rows)
    assert times["status"].tolist() == ["ok", "ok"]
    assert (times["latency_ms"] > 0).all()
    float32, int8 = create_device("torch", **quick).measure(space, rows)["status"]
    assert float32 == "ok"
    assert int8.endswith("backend torch runs float32 alone; expected backend onnxruntime or command for int8")


@pytest.mark.slow
def test_the_size_of_the_file_is_measured_in_its_precision(space, rows):
    float32, int8 = create_device("onnx_file").measure(space, rows)["file_kb"]
    assert int8 < float32


@pytest.mark.usefixtures("table")
def test_a_network_in_int8_is_tuned_quantized_written_and_read(evaluator, space, rows, tmp_path):
    described = {
        **{"experiment": "digits", "architecture": f"{CELL}@int8", "precision": "int8", "device": "cpu", "seed": 0},
        **{"space": {"name": "nasbench201", **OPTIONS, "precisions": ["fp32", "int8"]}, "versions": {}},
        **{"machine": {"processor": "p", "system": "s"}, "budget_ms": 5.0, "latency_ms": 1.0, "latency_bound_ms": 2.0},
        **{"confidence": 0.9, "measured_latency_ms": None, "accuracy": {}, "input_shape": [1, 8, 8], "trained": True},
        **evaluator.preprocessing(),
    }
    network = evaluator.network(rows[1])
    begun = Deployment(network, described, quantized(network, (1, 8, 8)))
    tuned = finetune(begun, evaluator, tmp_path / "tuned", epochs=1)
    accuracy = tuned.description["accuracy"]
    assert set(accuracy) == {"test", "test_before", "test_float32", "validation", "validation_float32"}
    read = Deployment.load(tmp_path / "tuned")
    assert read.quantized == tuned.quantized
    differences = read.export(tmp_path / "exported", batch=4)
    file = tmp_path / "exported" / "network.onnx"
    session = onnxruntime.InferenceSession(file)
    (logits,) = session.run(None, {"inputs": np.zeros((4, 1, 8, 8), np.float32)})
    assert logits.shape == (4, 10)
    assert session.get_modelmeta().custom_metadata_map["precision"] == "int8"
    card = (tmp_path / "exported" / "README.md").read_text()
    assert "| precision | int8: " in card
    assert "`inputs`: float32 of shape (4, 1, 8, 8)." in card
    assert f"at most {differences['network.onnx']:.2g}" in card
    again = Deployment.load(tmp_path / "exported")
    again.export(tmp_path / "any", batch=None)
    assert onnxruntime.InferenceSession(tmp_path / "any" / "network.onnx").get_inputs()[0].shape == ["batch", 1, 8, 8]
    test = evaluator.examples("test")
    assert readings(Int8Network(tmp_path / "any" / "network.onnx"), test)[0] == pytest.approx(accuracy["test"])
