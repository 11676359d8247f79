"""Stored images of all kinds become pixels of one shape."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from nagevo.training.datasets.decoding import decode


def encoded(pixels: np.ndarray, form: str = "png", mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


def full(value, dtype=np.uint8, *channels: int) -> np.ndarray:
    return np.full((4, 4, *channels), value, dtype=dtype)


def lab(pixels: np.ndarray) -> bytes:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    buffer = io.BytesIO()
    ImageCms.profileToProfile(Image.fromarray(pixels), *profiles, outputMode="LAB").save(buffer, "tiff")
    return buffer.getvalue()


def test_grey_becomes_color_and_color_becomes_grey():
    grey, red = np.full((6, 6), 7, dtype=np.uint8), np.zeros((6, 6, 3), dtype=np.uint8)
    red[..., 0] = 200
    np.testing.assert_array_equal(decode(grey, (3, 4, 4)), np.full((3, 4, 4), 7))
    # ITU-R 601-2: 0.299 of red
    assert decode(red, (1, 4, 4)).tolist() == np.full((1, 4, 4), round(0.299 * 200)).tolist()


def test_the_square_in_the_center_is_kept_of_an_image_of_another_shape():
    columns = np.broadcast_to(np.arange(12, dtype=np.uint8), (4, 12))
    np.testing.assert_array_equal(decode(columns, (1, 4, 4))[0], columns[:, 4:8])
    rows = columns.T
    np.testing.assert_array_equal(decode(rows, (1, 2, 2), crop=0.5)[0], rows[5:7, 1:3])


@pytest.mark.parametrize(
    ("dtype", "form"), [(np.uint8, "png"), (np.uint16, "png"), (np.float32, "tiff"), (np.uint8, "jpeg")]
)
def test_images_stand_upright_as_their_camera_says(dtype, form):
    pixels = np.zeros((16, 16), dtype=dtype)
    pixels[:8] = 1 if dtype == np.float32 else np.iinfo(dtype).max  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = decode(encoded(pixels, form, exif=exif), (1, 16, 16))[0]
    assert (turned[8:].min(), turned[:8].max()) == (255, 0)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        # half of full scale, whatever the range
        (encoded(full(0x8080, np.uint16)), 128),
        (encoded(full(0x8080, np.uint16), "tiff"), 128),
        (encoded(full(30069, np.int32), "tiff"), 117),  # 255 · 30,069 / 65,535
        (encoded(full(200, np.int32), "tiff"), 200),
        (encoded(full(0.5, np.float32), "tiff"), 128),
        (encoded(full(200.0, np.float32), "tiff"), 200),
        (b"P5\n4 4\n1023\n" + full(512, ">u2").tobytes(), 128),
        (b"P5\n4 4\n15\n" + full(8).tobytes(), 136),
        (encoded(full(255), mode="1"), 255),
        (encoded(full(255, np.uint8, 3), "jpeg", "CMYK"), 255),
        (encoded(full(90, np.uint8, 3), "tiff", "CMYK"), 90),
        (encoded(full(90), mode="P"), 90),
        (encoded(full(90), mode="LA"), 90),
        (lab(full(90, np.uint8, 3)), 90),
        (full(0.5, np.float64, 3), 128),
        (full(0x8080, np.uint16, 3), 128),
        (full(77, np.int64), 77),
        (full(True, bool), 255),
        (full(9, np.uint8, 1), 9),
    ],
)
def test_every_range_becomes_0_to_255(stored, expected):
    pixels = decode(stored, (3, 4, 4))
    assert pixels.dtype == np.uint8
    assert pixels.min() == pixels.max()
    assert abs(int(pixels[0, 0, 0]) - expected) <= 1


@pytest.mark.parametrize("form", ["rgba", "la", "palette", "gif", "webp", "grey with a transparent value", "array"])
def test_what_is_transparent_is_white(form):
    drawn = full(0, np.uint8, 4)
    drawn[2:, 2:] = 100, 100, 100, 255  # a grey corner, and black where nothing is
    grey = drawn[..., 0]
    stored = {
        "rgba": lambda: encoded(drawn),
        "la": lambda: encoded(drawn[..., [0, 3]]),
        "palette": lambda: encoded(grey, mode="P", transparency=0),
        "gif": lambda: encoded(grey, "gif", mode="P", transparency=0),
        "webp": lambda: encoded(drawn, "webp", lossless=True),
        "grey with a transparent value": lambda: encoded(grey, transparency=0),
        "array": lambda: drawn,
    }[form]()
    for channels in (1, 3):
        pixels = decode(stored, (channels, 4, 4))
        assert (pixels[:, :2] == 255).all()
        assert (pixels[:, 2:, 2:] == 100).all()


def test_half_transparent_is_half_white():
    assert decode(encoded(np.broadcast_to(np.uint8([0, 0, 0, 128]), (4, 4, 4)).copy()), (1, 4, 4))[0, 0, 0] == 127


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 1e6])
def test_values_without_a_known_range_are_refused(value):
    with pytest.raises(ValueError, match="expected values from 0 to 65535, got"):
        decode(encoded(full(value, np.float32), "tiff"), (1, 4, 4))
