"""Options that spaces of networks for images share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from nagevo.foundation.options import Option

Resolution = Annotated[
    Annotated[int, Option("", ge=4)]
    | Annotated[Sequence[Annotated[int, Option("", ge=4)]], Option("", min_length=2, max_length=2)],
    Option("Height and width of the images, a list where they differ.", "pixels"),
]
Channels = Annotated[Literal[1, 3], Option("Channels of the images: 1 for grey, 3 for color.")]
Classes = Annotated[int, Option("Classes of the images.", ge=2)]


def height_and_width(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Return the sides of images in pixels, of one number for both or of the two.

    >>> height_and_width(32), height_and_width([96, 128])
    ((32, 32), (96, 128))
    """
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    return height, width
