"""From stored images of any size and color to pixels of one shape."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nagevo.foundation.progress import track

MODES = {1: "L", 3: "RGB"}
"""Of Pillow, by number of channels."""
MANY = 20_000
"""Images from which decoding shows its progress."""


def decoded(
    images: Sequence[bytes | str | Path | np.ndarray],
    rows: np.ndarray,
    shape: tuple[int, int, int],
    crop: float,
    description: str,
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the pixels of some images, and why some of them cannot be read.

    Parameters
    ----------
    images : sequence
        See :class:`nagevo.training.datasets.Pool`.
    rows : ndarray of int, shape (n,)
    shape : tuple of int
        Channels (1 or 3), height and width.
    crop : float
        Share of the shorter side that is kept.
    description : str
        What the progress says.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, channels, height, width)
    failures : dict of int to str
        The reason by place among the rows; the pixels there are 0.
    """
    pixels, failures = np.zeros((len(rows), *shape), dtype=np.uint8), {}
    places = enumerate(rows.tolist())
    for place, row in track(places, description, total=len(rows)) if len(rows) >= MANY else places:
        try:
            pixels[place] = decode(images[row], shape, crop)
        except Exception as error:  # Pillow raises many kinds for a damaged file
            failures[place] = f"{_name(images[row], row)}: {error}".splitlines()[0]
    return pixels, failures


def decode(image: bytes | str | Path | np.ndarray, shape: tuple[int, int, int], crop: float = 1.0) -> np.ndarray:
    """Return the square in the center of an image, scaled to a shape: uint8 of shape (channels, height, width).

    The image stands upright as its EXIF data says. Colors become shades of grey, or the reverse, as the channels ask.
    """
    channels, height, width = shape
    opened = Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(_stream(image))
    with opened:
        upright = _eight_bit(ImageOps.exif_transpose(opened)).convert(MODES[channels])
    side, center = crop * min(upright.size), (upright.width / 2, upright.height / 2)
    box = (center[0] - side / 2, center[1] - side / 2, center[0] + side / 2, center[1] + side / 2)
    scaled = upright.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(scaled).reshape(height, width, channels).transpose(2, 0, 1)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return an image of 16 bits with its upper eight, which Pillow would clip instead."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _stream(image: bytes | str | Path) -> io.BytesIO | str | Path:
    return io.BytesIO(image) if isinstance(image, bytes) else image


def _name(image: bytes | str | Path | np.ndarray, row: int) -> str:
    """Return what a person finds the image by: its file, or its number."""
    return str(image) if isinstance(image, str | Path) else f"image {row}"
