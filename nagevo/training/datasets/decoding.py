"""From stored images of any size and color to pixels of one shape."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from nagevo.foundation.files import one_line
from nagevo.foundation.progress import track

MODES = {1: "L", 3: "RGB"}
"""Modes of Pillow by number of channels."""
FULL_SCALES = (1.0, 255.0, 65535.0)
"""White in images that do not say their range."""
BITS_PER_SAMPLE = 258
"""Number of a tag of TIFF files."""
PROGRESS_FROM = 20_000
"""Number of images from which decoding shows its progress."""


def decoded(
    images: Sequence[bytes | str | Path | np.ndarray],
    rows: np.ndarray,
    shape: tuple[int, ...],
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
        Text of the progress bar.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, channels, height, width)
    failures : dict of int to str
        The reason by place among the rows; the pixels there are 0.
    """
    pixels, failures = np.zeros((len(rows), *shape), dtype=np.uint8), {}
    places = np.argsort(rows, kind="stable").tolist()  # as they lie on disk
    for place in track(places, description) if len(rows) > PROGRESS_FROM else places:
        image, row = None, int(rows[place])
        try:
            image = images[row]
            pixels[place] = decode(image, shape, crop)
        except Exception as error:  # Pillow raises many kinds for a damaged file
            name = image if isinstance(image, str | Path) else f"image {row}"
            reason = "it is not an image" if isinstance(error, UnidentifiedImageError) else one_line(error)
            failures[place] = f"{name}: {reason}"
    return pixels, failures


def decode(image: bytes | str | Path | np.ndarray | None, shape: tuple[int, ...], crop: float = 1.0) -> np.ndarray:
    """Return the center of an image, scaled to a shape: uint8 of shape (channels, height, width).

    It is the largest part with the sides' ratio, times ``crop``: a square where the shape is one.
    The image is rotated as its EXIF data says. Transparent parts become white. Colors become shades of grey, or the
    reverse, as the channels ask.
    """
    channels, height, width = shape
    with _opened(image) as opened:
        eight = _eight_bit(opened)
        upright = _opaque(ImageOps.exif_transpose(eight) or eight).convert(MODES[channels])
    scale = crop * min(upright.width / width, upright.height / height)
    (x, y), (half_width, half_height) = (upright.width / 2, upright.height / 2), (scale * width / 2, scale * height / 2)
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    scaled = upright.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(scaled).reshape(height, width, channels).transpose(2, 0, 1)


def _opened(image: bytes | str | Path | np.ndarray | None) -> Image.Image:
    if image is None:
        raise ValueError("there is no image")
    if isinstance(image, bytes | str | Path):
        return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"expected an image, got {image!r} ({type(image).__name__})")
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if pixels.dtype not in (np.bool_, np.uint8):
        pixels = _bytes(pixels, FULL_SCALES[-1:] if pixels.dtype == np.uint16 else FULL_SCALES)
    return Image.fromarray(pixels)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return an image whose values have another range than 0 to 255 with bytes, as is its orientation.

    Integers of 16 bits are divided by the full scale of their file; other integers and floats by the smallest of
    ``FULL_SCALES`` that no value of the image exceeds.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0]
        scaled = _bytes(np.asarray(image), (2**bits - 1,))
    elif mode == "I":
        scaled = _bytes(np.asarray(image), (65535,) if image.format in ("PNG", "PPM") else FULL_SCALES[1:])
    elif mode == "F":
        scaled = _bytes(np.asarray(image), FULL_SCALES)
    elif mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    else:
        return image
    eight = Image.fromarray(scaled)
    eight.info["exif"] = image.getexif().tobytes()
    return eight


def _bytes(values: np.ndarray, full_scales: Sequence[float]) -> np.ndarray:
    """Return values as uint8, the smallest full scale that none of them exceeds becoming 255."""
    least, most = values.min(), values.max()
    if not 0 <= least <= most <= full_scales[-1]:
        raise ValueError(f"expected values from 0 to {full_scales[-1]:g}, got {least:g} to {most:g}")
    full_scale = next(scale for scale in full_scales if most <= scale)
    return np.rint(values * (255.0 / full_scale)).astype(np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image with white where it is transparent."""
    if not image.has_transparency_data:
        return image
    over = image.convert("RGBA")
    white = Image.new("RGBA", over.size, "white")
    return Image.alpha_composite(white, over).convert("RGB")
