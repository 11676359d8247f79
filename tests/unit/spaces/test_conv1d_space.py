"""Depthwise-separable networks for windows."""

import numpy as np
import pytest
import torch

from nagevo.foundation.errors import ArchitectureError, ConfigError
from nagevo.spaces import create_space
from nagevo.training.loop import fold

OPTIONS = {
    "channels": 2,
    "length": 20,
    "classes": 3,
    "depths": [1, 2],
    "kernels": [3, 5],
    "widths": [[2, 4], [4, 6]],
    "strides": [1, 2],
    "stem_width": 3,
    "stem_kernel": 3,
    "head_width": 8,
}
SPACE = create_space("conv1d", **OPTIONS)


def test_the_text_names_depths_kernels_widths_and_strides_of_the_stages():
    row = SPACE.from_text(["1,2:5,3:2,6:2,1"])
    assert row.tolist() == [[0, 1, 1, 0, 0, 1, 0, 1]]  # the larger stride is the cheaper option
    assert SPACE.choice_names[::2] == ("depth of stage 1", "kernel of stage 1", "width of stage 1", "stride of stage 1")
    assert SPACE.size == 2**8


def test_costs_are_those_counted_by_hand():
    # Stem 3·(3·2 + 2) = 24; layer 3→2, kernel 5: 3·(5 + 2) + 2·(3 + 2) = 31; layers 2→6 and 6→6, kernel 3:
    # 2·5 + 6·4 = 34 and 6·5 + 6·8 = 78; head 8·(6 + 2) = 64; classifier 9·3 = 27.
    row = SPACE.from_text(["1,2:5,3:2,6:2,1"])
    assert SPACE.costs(row)["parameters"].tolist() == [24 + 31 + 34 + 78 + 64 + 27]
    # Stem 18·20; the first stage has stride 2: 10 positions; 3·(5 + 2)·10, 2·(3 + 6)·10, 6·(3 + 6)·10, head 48·10, 24.
    assert SPACE.costs(row)["macs"].tolist() == [360 + 210 + 180 + 540 + 480 + 24]
    assert SPACE.layout(row[0]).macs == 360 + 210 + 180 + 540 + 480 + 24
    assert SPACE.layout(row[0]).parameters == SPACE.costs(row)["parameters"][0]


def test_layers_that_keep_the_shape_add_their_input():
    (row,) = SPACE.from_text(["2,2:3,3:4,4:1,2"])
    # 3→4, 4→4, 4→4 with stride 2, 4→4
    assert [block.has_shortcut for block in SPACE.network(row).blocks] == [False, True, False, True]


def test_a_network_sees_no_more_of_a_window_than_its_kernels_reach():
    # Kernel 5 behind a stem with kernel 3, no strides: an output sees three values either side.
    torch.manual_seed(0)
    space = create_space("conv1d", **OPTIONS | {"widths": [[16]], "depths": [1]})
    network = space.network(space.extremes()[1]).eval()
    window = torch.randn(1, 2, 20, requires_grad=True)
    network.blocks(network.first_conv(window))[0, :, 10].sum().backward()
    assert torch.nonzero(window.grad[0].abs().sum(0)).flatten().tolist() == list(range(7, 14))


def test_batch_normalization_folds_into_convolutions_over_time():
    torch.manual_seed(0)
    network, windows = SPACE.network(SPACE.extremes()[1]), torch.randn(16, *SPACE.input_shape)
    with torch.inference_mode():
        network.train()(windows)  # statistics other than 0 and 1
        before = network.eval()(windows)
        torch.testing.assert_close(fold(network)(windows), before)
    assert not any(isinstance(module, torch.nn.BatchNorm1d) for module in network.modules())


@pytest.mark.parametrize("kernel_transform", [True, False])
def test_every_sub_network_is_a_plain_network_with_the_same_outputs(kernel_transform):
    torch.manual_seed(0)
    supernet = SPACE.supernet(kernel_transform=kernel_transform)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    windows = torch.randn(8, *SPACE.input_shape)
    for choices in np.concatenate([SPACE.extremes(), SPACE.sample(4, rng=np.random.default_rng(0))]):
        plain = supernet.subnetwork(choices).train()
        torch.testing.assert_close(supernet(windows, choices), plain(windows))


def test_a_smaller_kernel_is_the_center_of_the_larger_through_its_matrix():
    torch.manual_seed(0)
    space = create_space("conv1d", **OPTIONS | {"kernels": [3, 9]})
    supernet = space.supernet()
    (matrix,) = supernet.blocks[0].transforms.values()
    with torch.no_grad():
        matrix.copy_(torch.randn(3, 3))
    (row,) = space.from_text(["1,1:3,9:4,6:1,1"])
    taken, whole = (each.blocks[0].depth_conv.conv.weight for each in (supernet.subnetwork(row), supernet))
    torch.testing.assert_close(taken, whole[:, :, 3:6] @ matrix.T)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernels": [3, 4]}, r"space\.kernels: expected odd numbers, got 4"),
        ({"stem_kernel": 2}, r"space\.stem_kernel: expected odd numbers, got 2"),
        ({"strides": [2, 5]}, r"space\.length: expected 25 or more, the product of strides, got 20"),
        ({"widths": []}, "widths"),
        ({"widths": [[4], []]}, "widths"),
        ({"depths": [0, 1]}, "depths"),
    ],
)
def test_options_that_make_no_network_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        create_space("conv1d", **OPTIONS | options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2:5,3:2,6", "expected 2 depths, kernels, widths and strides"),
        ("1,2:5,3:2,6:2,3", "stride of stage 2 3 is not one of 2, 1"),
        ("1,3:5,3:2,6:2,1", "depth of stage 2 3 is not one of 1, 2"),
    ],
)
def test_texts_of_other_networks_are_refused(text, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACE.from_text([text])
