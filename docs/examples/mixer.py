"""A space of MLP-Mixers: one to three layers, each with its own widths."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nagevo.spaces.base import SearchSpace

LAYERS = 3
TOKEN_WIDTHS, CHANNEL_WIDTHS = np.array([4, 8, 16]), np.array([8, 16, 32])


class MixerSpace(SearchSpace):
    """Choose how many layers there are, and the two hidden widths of each layer.

    The text is ``t-c`` for each layer, as in ``4-16,8-32``: the hidden widths of the token and of the channel mixing.
    """

    n_options = (LAYERS, *(len(TOKEN_WIDTHS), len(CHANNEL_WIDTHS)) * LAYERS)
    choice_names = (
        "layers",
        *(f"{what} width of layer {k + 1}" for k in range(LAYERS) for what in ("token", "channel")),
    )
    size = sum((len(TOKEN_WIDTHS) * len(CHANNEL_WIDTHS)) ** layers for layers in range(1, LAYERS + 1))

    def __init__(self, *, resolution: int = 28, channels: int = 1, classes: int = 10, patch: int = 7, width: int = 16):
        self.resolution, self.channels, self.classes = resolution, channels, classes
        self.patch, self.width, self.tokens = patch, width, (resolution // patch) ** 2

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.channels, self.resolution, self.resolution

    def canonical(self, choices: np.ndarray) -> np.ndarray:
        """Return the architectures with the choices of absent layers set to 0: they make no difference."""
        used = np.repeat(np.arange(LAYERS) <= choices[:, :1], 2, axis=1)  # (n, 2 * LAYERS)
        return np.concatenate([choices[:, :1], np.where(used, choices[:, 1:], 0)], axis=1).astype(np.int8)

    def widths(self, row: np.ndarray) -> list[tuple[int, int]]:
        """Return the hidden widths of each layer of one architecture."""
        tokens, channels = TOKEN_WIDTHS[row[1::2]], CHANNEL_WIDTHS[row[2::2]]
        return list(zip(tokens.tolist(), channels.tolist(), strict=True))[: row[0] + 1]

    def to_text(self, choices: np.ndarray) -> list[str]:
        return [",".join(f"{token}-{channel}" for token, channel in self.widths(row)) for row in choices]

    def _parse(self, text: str) -> list[int]:
        layers = [tuple(map(int, layer.split("-"))) for layer in text.split(",")]
        if len(layers) > LAYERS:
            raise ValueError(f"expected 1 to {LAYERS} layers: t-c,t-c,…")
        options = [(TOKEN_WIDTHS.tolist().index(t), CHANNEL_WIDTHS.tolist().index(c)) for t, c in layers]
        absent = [(0, 0)] * (LAYERS - len(layers))
        return [len(layers) - 1, *(option for pair in (*options, *absent) for option in pair)]

    def network(self, choices: np.ndarray) -> nn.Module:
        layers = [Layer(self.tokens, self.width, *widths) for widths in self.widths(choices)]
        return Mixer(self.channels, self.patch, self.width, layers, self.classes)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a network is known to need without building it; may be left out."""
        n, c, image = self.tokens, self.width, self.channels * self.patch**2
        parameters, macs = [], []
        for row in choices:
            layers = self.widths(row)
            mixing = [(2 * n * t, t + n, 2 * c * w, w + c) for t, w in layers]  # weights and biases of either mixing
            parameters.append((image + 1) * c + sum(map(sum, mixing)) + 4 * c * len(layers) + (c + 1) * self.classes)
            macs.append(n * image * c + sum(c * tw + n * cw for tw, _, cw, _ in mixing) + c * self.classes)
        return {"parameters": np.array(parameters, dtype=np.int64), "macs": np.array(macs, dtype=np.int64)}


class Layer(nn.Module):
    """Mix the tokens of each channel, then the channels of each token."""

    def __init__(self, tokens: int, width: int, token_width: int, channel_width: int):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix_tokens = nn.Sequential(nn.Linear(tokens, token_width), nn.GELU(), nn.Linear(token_width, tokens))
        self.mix_channels = nn.Sequential(nn.Linear(width, channel_width), nn.GELU(), nn.Linear(channel_width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (batch, tokens, width)
        x = x + self.mix_tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix_channels(self.norms[1](x))


class Mixer(nn.Module):
    """Patches, layers, mean over the tokens, classifier."""

    def __init__(self, channels: int, patch: int, width: int, layers: list[nn.Module], classes: int):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)  # (batch, tokens, width)
        return self.classifier(self.layers(x).mean(1))
