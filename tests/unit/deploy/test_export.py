from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nagevo.deploy.deployment import Deployment
from nagevo.deploy.export import difference_from_torch, export_onnx, onnx_for_timing, run_onnx
from nagevo.foundation.errors import ExportError
from nagevo.spaces.mobilenetv3.space import MobileNetV3Space

SPACE = MobileNetV3Space(resolution=16, channels=1, classes=3, width_multiplier=0.25, divisor=4)


def session(model, optimized=None):
    """Return an onnxruntime session; the optimized graph is written where asked."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def network():
    """Return the smallest network, its batch normalization away from the identity."""
    torch.manual_seed(0)
    network = SPACE.network(SPACE.extremes()[0]).train()
    network(torch.randn(8, *SPACE.input_shape))
    return network.eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """Return the file of the network."""
    path = tmp_path_factory.mktemp("export") / "network.onnx"
    export_onnx(network, SPACE.input_shape, path, batch=2, metadata={"classes": "a,b,c"})
    return path


@pytest.fixture(scope="module")
def run(network, tmp_path_factory):
    """Return what runs the exported network on one image."""
    path = tmp_path_factory.mktemp("run") / "network.onnx"
    export_onnx(network, SPACE.input_shape, path)
    return run_onnx(path)


def test_both_exports_compute_what_torch_computes(network, exported):
    images = torch.randn(2, *SPACE.input_shape, generator=torch.Generator().manual_seed(1))
    expected = network(images).detach().numpy()
    for model in (str(exported), onnx_for_timing(network, SPACE.input_shape, batch=2)):
        (logits,) = session(model).run(["logits"], {"inputs": images.numpy()})
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def test_the_file_is_alone_and_carries_its_metadata(exported):
    assert [path.name for path in exported.parent.iterdir()] == ["network.onnx"]
    assert {entry.key: entry.value for entry in onnx.load(exported).metadata_props}["classes"] == "a,b,c"


def test_onnxruntime_runs_the_same_operators_for_both_exports(network, exported, tmp_path):
    counts = []
    for model in (str(exported), onnx_for_timing(network, SPACE.input_shape, batch=2)):
        session(model, tmp_path / "optimized.onnx")
        operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
        operators["Reshape"] += operators.pop("Flatten", 0)
        counts.append(operators)
    assert counts[0] == counts[1]
    assert "BatchNormalization" not in counts[0]


def test_a_failed_export_leaves_no_file(tmp_path):
    class Inexpressible(torch.nn.Module):
        def forward(self, images):
            raise RuntimeError("no")

    with pytest.raises(Exception, match="no"):
        export_onnx(Inexpressible(), (1, 2), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda logits: logits * np.nan, "differs from torch's by nan"),
        (lambda logits: logits + 13, r"differs from torch's by 13, more than 0\.001"),
        (lambda logits: logits[:, :2], r"its output has the shape \(1, 2\), torch's \(1, 3\)"),
    ],
)
def test_an_export_that_computes_something_else_is_refused(network, run, change, message):
    assert difference_from_torch(run, network, SPACE.input_shape, "network.onnx") < 1e-5
    with pytest.raises(ExportError, match=f"network.onnx is not exported: .*{message}"):
        difference_from_torch(lambda images: [change(run(images)[0])], network, SPACE.input_shape, "network.onnx")


def test_a_network_whose_outputs_are_not_finite_leaves_no_file(tmp_path):
    class Broken(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1) * torch.nan

    with pytest.raises(ExportError, match="outputs are not finite"):
        Deployment(Broken(), {"input_shape": [1, 2, 2]}).export_onnx(tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())
