import pytest
import torch

from nagevo.spaces.separable.depthwise import DepthwiseConv2d, depthwise_conv


@pytest.mark.parametrize(("size", "kernel", "stride"), [(4, 5, 1), (7, 7, 2), (5, 5, 2), (3, 7, 1), (14, 7, 2)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_those_of_the_ordinary_convolution(size, kernel, stride, memory_format):
    torch.manual_seed(0)
    x = torch.randn(6, 8, size, size).to(memory_format=memory_format).requires_grad_()
    weight = torch.randn(8, 1, kernel, kernel, requires_grad=True)
    expected = torch.nn.functional.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=8)
    out = depthwise_conv(x, weight, stride)
    assert "_DepthwiseConv" in type(out.grad_fn).__name__
    gradient = torch.randn_like(out)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        torch.autograd.grad(out, (x, weight), gradient), torch.autograd.grad(expected, (x, weight), gradient)
    )


@pytest.mark.parametrize(("size", "kernel", "stride"), [(16, 5, 1), (31, 9, 2), (5, 7, 4)])
def test_gradients_of_sequences_are_those_of_the_ordinary_convolution(size, kernel, stride):
    torch.manual_seed(0)
    x, weight = torch.randn(6, 8, size, requires_grad=True), torch.randn(8, 1, kernel, requires_grad=True)
    expected = torch.nn.functional.conv1d(x, weight, stride=stride, padding=kernel // 2, groups=8)
    out = depthwise_conv(x, weight, stride)
    assert "_DepthwiseConv" in type(out.grad_fn).__name__
    gradient = torch.randn_like(out)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        torch.autograd.grad(out, (x, weight), gradient), torch.autograd.grad(expected, (x, weight), gradient)
    )


def test_large_maps_and_evaluation_take_the_ordinary_convolution():
    layer = DepthwiseConv2d(2, 5)
    assert "_DepthwiseConv" not in type(layer(torch.zeros(1, 2, 32, 32)).grad_fn).__name__
    assert "_DepthwiseConv" not in type(layer.eval()(torch.zeros(1, 2, 4, 4)).grad_fn).__name__
