"""Where networks are trained, in which precision, and by how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from nagevo.foundation.errors import ConfigError
from nagevo.foundation.options import Option

if TYPE_CHECKING:
    import torch

Accelerator = Annotated[
    Literal["auto", "cpu", "cuda"],
    Option("Processor that trains networks and holds the examples; `auto` is a GPU where there is one."),
]
Precision = Annotated[
    Literal["float32", "bfloat16"],
    Option("Number type of the layers in training; weights, and accuracies when they are read, stay float32."),
]


def torch_device(accelerator: str) -> torch.device:
    """Return where networks are trained.

    Raises
    ------
    ConfigError
        If it is ``cuda`` and torch finds no GPU.
    """
    import torch

    available = torch.cuda.is_available()
    if accelerator == "cuda" and not available:
        raise ConfigError("accelerator cuda: torch finds no GPU on this machine (torch.cuda.is_available() is False)")
    return torch.device(("cuda" if available else "cpu") if accelerator == "auto" else accelerator)


def mixed_precision(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which the layers of a forward pass compute in a precision.

    It applies to the thread that enters it; the backward pass, outside of it, computes as the forward pass did.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Set torch's number of threads inside the block: with one, small matrices are faster and sums have one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
