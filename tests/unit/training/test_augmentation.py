"""Random changes of training images."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nagevo.training.augmentation import changed_images, relit, scaled, turned
from nagevo.training.datasets.inputs import ArrayInputs, ImageInputs
from nagevo.training.examples import Examples
from nagevo.training.recipe import Recipe


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_shift_moves_the_whole_image_by_at_most_the_asked_pixels():
    pixel = torch.zeros(200, 1, 7, 7, dtype=torch.uint8)
    pixel[:, 0, 3, 3] = 9
    moved = changed_images(pixel, Recipe(shift_pixels=2), torch.Generator().manual_seed(0))
    places = moved.nonzero()
    assert len(places) == 200
    assert set(places[:, 2].tolist()) == set(places[:, 3].tolist()) == {1, 2, 3, 4, 5}


def test_examples_are_changed_on_the_device_where_they_lie():
    recipe = Recipe(batch_size=8, flip=True, rotate_degrees=10, zoom=1.1, light=0.1, noise=0.1, amplitude=0.1)
    for form in (ImageInputs((3, 9, 9)), ArrayInputs((3, 9, 9))):
        kept = torch.zeros(16, 3, 12, 12, dtype=torch.uint8 if form.kind == "images" else torch.float32)
        fitted = replace(form, mean=(0.5,) * 3, std=(0.2,) * 3)
        examples = Examples(kept, torch.zeros(16, dtype=torch.int64), fitted).to(torch.device("meta"))
        for inputs, labels in examples.epoch(recipe, rng()):
            assert inputs.device.type == labels.device.type == "meta"


def test_a_flip_mirrors_about_half_of_the_images():
    pixels = torch.zeros(400, 1, 2, 3, dtype=torch.uint8)
    pixels[:, :, :, 0] = 1
    left = changed_images(pixels, Recipe(shift_pixels=0, flip=True), torch.Generator().manual_seed(0))[:, 0, 0, 0]
    assert 150 < int(left.sum()) < 250


def test_a_turned_line_goes_through_the_center_at_all_asked_angles():
    line = torch.zeros(200, 1, 41, 41, dtype=torch.uint8)
    line[:, 0, 20] = 255
    images = turned(line, 30.0, 1.0, rng())
    assert (images[:, 0, 20, 20] == 255).all()
    heights = images[:, 0, :, 36].float().argmax(1) - 20  # 16 pixels right of the center
    angles = torch.atan(heights / 16) * 180 / math.pi
    assert angles.abs().max() < 32  # a pixel there is 3.6 degrees
    assert angles.min() < -24
    assert angles.max() > 24


def test_a_magnified_square_grows_up_to_the_asked_times():
    square = torch.zeros(200, 3, 40, 40, dtype=torch.uint8)
    square[:, :, 15:25, 15:25] = 255  # 10 pixels
    sides = turned(square, 0.0, 2.0, rng())[:, 0, 20].gt(127).sum(1)
    assert sides.min() in (10, 11)
    assert sides.max() in (19, 20)


def test_contrast_and_brightness_change_by_up_to_the_asked_share():
    # values 80 and 120 around a mean of 100
    pixels = torch.tensor([80, 120], dtype=torch.uint8).view(1, 1, 1, 2).repeat(500, 1, 1, 1)
    changed = relit(pixels, 0.5, rng()).float().flatten(1)
    means, spans = changed.mean(1), changed[:, 1] - changed[:, 0]
    assert 50 <= means.min() < 55
    assert 145 < means.max() <= 150
    assert 19 <= spans.min() < 23
    assert 57 < spans.max() <= 61


def test_light_never_leaves_the_range_of_a_pixel():
    assert relit(torch.full((100, 1, 2, 2), 250, dtype=torch.uint8), 0.9, rng()).max() == 255


@pytest.mark.parametrize("change", [{"rotate_degrees": 20.0}, {"zoom": 1.5}, {"light": 0.4}, {"shift_pixels": 3}])
def test_each_change_is_chosen_by_its_own_option_alone(change):
    pixels = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=rng())
    off = {"shift_pixels": 0}
    assert torch.equal(changed_images(pixels, Recipe(**off), rng()), pixels)
    changed = changed_images(pixels, Recipe(**off | change), rng())
    assert changed.dtype == torch.uint8
    assert changed.shape == pixels.shape
    assert not torch.equal(changed, pixels)


def test_images_are_scaled_as_they_are_read():
    pixels = torch.randint(0, 256, (5, 1, 24, 24), dtype=torch.uint8, generator=rng())
    assert scaled(pixels, (1, 24, 24)) is pixels
    read = [Image.fromarray(image[0].numpy()).resize((8, 8), Image.Resampling.BILINEAR) for image in pixels]
    np.testing.assert_allclose(scaled(pixels, (1, 8, 8))[:, 0].int(), np.stack(read).astype(int), atol=1)


def test_images_that_are_kept_larger_are_changed_before_they_are_scaled():
    # A white column, moved by at most 2 of 8 pixels, is in the same or a neighboring column of 4 pixels.
    column = torch.zeros(50, 1, 8, 8, dtype=torch.uint8)
    column[..., 4] = 200
    small = ImageInputs((1, 4, 4)).augmented(column, Recipe(shift_pixels=2), rng())
    assert small.shape == (50, 1, 4, 4)
    assert set(small.float().mean((1, 2)).argmax(-1).tolist()) == {1, 2, 3}
