"""A small residual network for images, and its training: what docs/own-network.md slims.

    python resources/networks/resnet.py --output resnet20.safetensors            # 5,000 handwritten digits
    python resources/networks/resnet.py --dataset '{"name": "idx", "path": "…"}' --channels 1 --epochs 10 --output …

He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", section 4.2: three stages of n blocks, here
with projections where a stage begins.
"""

from __future__ import annotations

import argparse
import json
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3 × 3 convolutions with a shortcut."""

    def __init__(self, in_width: int, out_width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_width)
        self.shortcut = nn.Sequential()
        if stride > 1 or in_width != out_width:
            convolution = nn.Conv2d(in_width, out_width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(out_width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """A first convolution, three stages of residual blocks that double the channels, and a classifier."""

    def __init__(self, *, blocks: int = 3, width: int = 16, channels: int = 3, classes: int = 10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        layers, in_width = [], width
        for stage in range(3):
            for number in range(blocks):
                layers.append(Block(in_width, width * 2**stage, 2 if stage and not number else 1))
                in_width = width * 2**stage
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(in_width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.stem(x))  # (batch, 4 width, height / 4, width / 4)
        return self.classifier(x.mean((2, 3)))


def resnet(**options: int) -> ResNet:
    """Return an untrained network; 3 blocks a stage and 16 channels make ResNet-20."""
    return ResNet(**options)


def main() -> None:
    """Train the network and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, help="file of the weights, .safetensors")
    parser.add_argument(
        "--dataset", type=json.loads, default={"name": "mnist5k"}, help="section `dataset` of an experiment, as JSON"
    )
    parser.add_argument("--resolution", type=int, default=28, help="pixels")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=3, help="residual blocks of each stage")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    from nagevo.training.datasets import load_dataset
    from nagevo.training.examples import Examples
    from nagevo.training.loop import accuracy, cross_entropy_step, fit
    from nagevo.training.recipe import Recipe

    torch.manual_seed(arguments.seed)
    network = resnet(
        blocks=arguments.blocks, width=arguments.width, channels=arguments.channels, classes=arguments.classes
    ).to(memory_format=torch.channels_last)
    shape = (arguments.channels, arguments.resolution, arguments.resolution)
    dataset = load_dataset(shape=shape, seed=0, **arguments.dataset)
    train, test = (Examples.of(dataset.split(name), dataset.form) for name in ("train", "test"))
    warmup_epochs = min(1, arguments.epochs / 2)
    recipe = Recipe(epochs=arguments.epochs, batch_size=64, learning_rate=0.1, warmup_epochs=warmup_epochs)
    fit(network, cross_entropy_step(network, recipe), train, recipe, seed=arguments.seed, description="Training")
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, arguments.output)
    print(f"{arguments.output}: test accuracy {accuracy(network.eval(), test):.2f} %")


if __name__ == "__main__":
    from nagevo.foundation.errors import NagevoError

    try:
        main()
    except NagevoError as error:
        sys.exit(f"resnet.py: {error}")
