"""Random changes of training examples that leave their labels alone.

Examples are changed in the memory that holds them; random numbers are drawn on the processor, so that a seed gives the
same ones for a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from nagevo.training.recipe import Recipe


def changed_images(pixels: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
    """Return each image changed at random as the recipe says, uint8 of shape (batch, channels, height, width)."""
    if recipe.rotate_degrees or recipe.zoom > 1:
        pixels = turned(pixels, recipe.rotate_degrees, recipe.zoom, rng)
    if recipe.shift_pixels:
        pixels = shifted(pixels, recipe.shift_pixels, rng)
    if recipe.flip:
        mirrored = torch.rand(len(pixels), 1, 1, 1, generator=rng) < 0.5
        pixels = torch.where(mirrored.to(pixels.device), pixels.flip(3), pixels)
    return relit(pixels, recipe.light, rng) if recipe.light else pixels


def scaled(pixels: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Return images of the last two sizes of a shape, each pixel an average of what it covers."""
    if pixels.shape[2:] == tuple(shape[1:]):
        return pixels
    values = nn.functional.interpolate(pixels.float(), tuple(shape[1:]), mode="bilinear", antialias=True)
    return values.round().to(torch.uint8)


def shifted(pixels: torch.Tensor, most: int, rng: torch.Generator) -> torch.Tensor:
    """Return each image moved by at most ``most`` pixels in each direction, filled with black."""
    (n, _, height, width), device = pixels.shape, pixels.device
    padded = nn.functional.pad(pixels, (most,) * 4)
    top, left = torch.randint(0, 2 * most + 1, (2, n, 1), generator=rng).to(device)
    rows = top + torch.arange(height, device=device)  # (batch, height)
    columns = left + torch.arange(width, device=device)  # (batch, width)
    images = torch.arange(n, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def turned(pixels: torch.Tensor, degrees: float, zoom: float, rng: torch.Generator) -> torch.Tensor:
    """Return each image turned about its center by at most ``degrees`` and magnified 1 to ``zoom`` times."""
    angles = math.radians(degrees) * (2 * torch.rand(len(pixels), generator=rng) - 1)
    scales = 1 / (1 + (zoom - 1) * torch.rand(len(pixels), generator=rng))
    cos, sin, zero = scales * angles.cos(), scales * angles.sin(), torch.zeros(len(pixels))
    matrices = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)  # from output to input positions
    grid = nn.functional.affine_grid(matrices.to(pixels.device), list(pixels.shape), align_corners=False)
    return nn.functional.grid_sample(pixels.float(), grid, align_corners=False).round().to(torch.uint8)


def relit(pixels: torch.Tensor, most: float, rng: torch.Generator) -> torch.Tensor:
    """Return each image with its contrast and its brightness changed by up to this share of either."""
    changes = 1 + most * (2 * torch.rand(2, len(pixels), 1, 1, 1, generator=rng) - 1)
    contrast, brightness = changes.to(pixels.device)
    values = pixels.float()
    means = values.mean(dim=(1, 2, 3), keepdim=True)
    return ((values - means) * contrast + means * brightness).round().clamp(0, 255).to(torch.uint8)


def changed_arrays(values: torch.Tensor, std: Sequence[float], recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
    """Return arrays changed at random as the recipe says, float32 of shape (batch, channels, …).

    Parameters
    ----------
    std : sequence of float
        Standard deviation of each channel.
    """
    each = [1] * (values.ndim - 2)
    if recipe.amplitude:
        amplitudes = 1 + recipe.amplitude * (2 * torch.rand(len(values), 1, *each, generator=rng) - 1)
        values = values * amplitudes.to(values.device)
    if recipe.noise:
        noise = recipe.noise * torch.tensor(std).view(-1, *each) * torch.randn(values.shape, generator=rng)
        values = values + noise.to(values.device)
    return values
