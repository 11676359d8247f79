"""Whether int8 pays on this processor: the hypervolume of slimmer versions of a small ResNet in either precision.

``python docs/development/scripts/int8.py 24`` prints the accuracy and the latency in onnxruntime of 24 versions, in
float32 and in int8, trained for scikit-learn's digits as one supernet, and the hypervolume of each precision and of
both over that of float32. The reference point is 1.1 times the largest error and latency.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from moocore import hypervolume
from sklearn.datasets import load_digits

from nagevo.foundation.machine import describe_machine
from nagevo.measure.accuracy import create_evaluator
from nagevo.measure.latency import create_device
from nagevo.spaces import create_space
from nagevo.spaces.base import unique


def main(n: int) -> None:
    """Print the table and the ratios for n versions."""
    sys.path.insert(0, str(Path(__file__).parents[3] / "resources" / "networks"))
    space = create_space(
        "slimmed", model="resnet:resnet", options={"channels": 1}, input_shape=[1, 16, 16], precisions=["fp32", "int8"]
    )
    with tempfile.TemporaryDirectory() as folder:
        inputs, labels = load_digits(return_X_y=True)
        images = np.kron(inputs.reshape(-1, 1, 8, 8), np.ones((1, 1, 2, 2))).astype(np.float32)
        np.savez(Path(folder) / "digits.npz", inputs=images, labels=labels)
        dataset = {"name": "arrays", "path": str(Path(folder) / "digits.npz")}
        recipe = {"epochs": 8, "batch_size": 32, "learning_rate": 0.05, "warmup_epochs": 0.5}
        evaluator = create_evaluator("supernet", space, dataset=dataset, training=recipe)
        evaluator.train(Path(folder) / "weights.safetensors")
        evaluator.load(Path(folder) / "weights.safetensors")
        plain = space.plain
        rows = np.concatenate([plain.extremes(), plain.sample_range(4 * n, rng=np.random.default_rng(0))])
        rows = unique(plain.normal(rows))[:n]
        both = [np.column_stack([rows, np.full(len(rows), option)]).astype(np.int8) for option in (1, 0)]
        choices = np.concatenate(both)
        scores = evaluator.evaluate(choices, split="test")
        times = create_device("onnxruntime", rounds=10).measure(space, choices)
    table = pd.DataFrame(
        {
            "precision": space.precisions_of(choices),
            "accuracy": scores["accuracy"],
            "latency_ms": times["latency_ms"],
            **space.memory(choices),
        }
    )
    print(describe_machine())
    print(table.round(4).to_string())
    points = np.column_stack([100 - table["accuracy"], table["latency_ms"]])
    reference = 1.1 * points.max(axis=0)
    found = {
        name: hypervolume(points[chosen], ref=reference)
        for name, chosen in {
            "fp32": table["precision"] == "fp32",
            "int8": table["precision"] == "int8",
            "both": table["precision"] != "",
        }.items()
    }
    print({name: round(value / found["fp32"], 4) for name, value in found.items()})
    float32, int8 = (table[table["precision"] == name].reset_index() for name in ("fp32", "int8"))
    print("int8 over fp32: latency", (int8["latency_ms"] / float32["latency_ms"]).describe().round(3).to_dict())
    print("int8 less fp32: accuracy", (int8["accuracy"] - float32["accuracy"]).describe().round(3).to_dict())


if __name__ == "__main__":
    main(int(sys.argv[1]))
