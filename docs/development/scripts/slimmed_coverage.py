"""Print which published architectures can be slimmed, and how far: timm's networks with random weights.

    pip install 'nagevo[slim,train,export]' timm
    python docs/development/scripts/slimmed_coverage.py [NAME …]

Each network is traced; then two slimmer versions at random shares are compared with the original whose removed channels
are set to zero, the smallest version is exported to ONNX and run, and the version with everything kept is compared with
the original bit by bit. A version that differs ends the script.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from nagevo.deploy.export import difference_from_torch, export_onnx, run_onnx
from nagevo.spaces.slimmed.cutting import slimmer, union
from nagevo.spaces.slimmed.structure import TOLERANCE, Structure, find_structure

NAMES = [
    "resnet18",
    "resnet50",
    "seresnet18",
    "resnext50_32x4d",
    "res2net50_26w_4s",
    "dla34",
    "densenet121",
    "vgg11_bn",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv3_large_100",
    "mnasnet_small",
    "fbnetc_100",
    "hardcorenas_a",
    "efficientnet_b0",
    "tf_efficientnetv2_b0",
    "regnetx_002",
    "regnety_002",
    "ghostnet_100",
    "mobileone_s0",
    "repvgg_a0",
    "xception41",
    "cspresnet50",
    "convnext_atto",
    "poolformer_s12",
    "mobilevit_xxs",
    "edgenext_xx_small",
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "mixer_s32_224",
    "swin_tiny_patch4_window7_224",
    "levit_128s",
]
FIXED_SIZE = ("swin", "levit", "mixer", "mobilevit", "edgenext")


def zeroed(structure: Structure, cuts: list) -> nn.Module:
    """Return the original network with everything that the cuts take away set to zero."""
    network = slimmer(structure.network, [])
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    with torch.no_grad():
        for (name, dim), indices in union(cuts).items():
            tensors[name].index_fill_(dim, torch.from_numpy(indices), 0.0)
    return network


def row(name: str) -> str:
    """Return a row of the table for one architecture."""
    begun, rng = time.perf_counter(), np.random.default_rng(0)
    torch.manual_seed(0)
    size = 224 if name.startswith(FIXED_SIZE) else 96
    options = {"img_size": 96} if name.startswith(("vit", "deit")) else {}
    network = timm.create_model(name, num_classes=10, **options)
    images = torch.randn(4, 3, size, size)
    for parameter in network.parameters():  # fresh factors, biases and last layers hide what a network computes
        if parameter.numel() > 1 and parameter.max() == parameter.min():
            mean = 0.0 if parameter.ndim > 1 or parameter.max() == 0 else 1.0
            parameter.data = mean + 0.2 * torch.randn(parameter.shape)
    for module in network.modules():  # signals of a size near one, whatever the random weights
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(images)
    structure = find_structure(network, (3, size, size))
    seconds, worst = time.perf_counter() - begun, 0.0
    with torch.no_grad():
        assert torch.equal(slimmer(structure.network, [])(images), network(images)), "the whole version differs"
        for _ in range(2):
            cuts = [part.cut(max(1, int(part.size * rng.choice([0.25, 0.5, 0.75])))) for part in structure.parts]
            expected, got = zeroed(structure, cuts)(images), slimmer(structure.network, cuts)(images)
            worst = max(worst, float((expected - got).abs().max() / expected.abs().max()))
        assert worst <= TOLERANCE, "a slimmer version differs"
    quarters = [part.cut(max(1, part.size // 4)) for part in structure.parts]
    smallest = slimmer(structure.network, quarters, structure.blocks)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.onnx")
        export_onnx(smallest, (3, size, size), file)
        difference_from_torch(run_onnx(file), smallest, (3, size, size), name)
    kept = sum(p.numel() for p in smallest.parameters()) / sum(p.numel() for p in network.parameters())
    reasons = dict.fromkeys(sentence.split(": ", 1)[1].split(" (")[0] for sentence in structure.whole)
    left = len(structure.whole)
    return (
        f"| {name} | {len(structure.parts)} | {len(structure.blocks)} | {left} | {100 * kept:.0f} % | {worst:.0e} "
        f"| {seconds:.0f} | {'; '.join(reasons)} |"
    )


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| network | parts | blocks | left whole | smallest | largest difference | seconds | why left whole |")
    print("|---|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or NAMES:
        print(row(name), flush=True)


if __name__ == "__main__":
    main()
