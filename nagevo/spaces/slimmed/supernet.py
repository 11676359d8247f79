"""One set of weights for all slimmer versions of a network: the user's own, trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from threading import Lock

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from nagevo.spaces.convolutions import safe_gradients
from nagevo.spaces.slimmed.cutting import Axis, Cut, kept_indices, sliced, union

CACHED_VERSIONS = 256
"""Maximum number of architectures whose indices are kept in memory."""


class SlimmedSupernet(nn.Module):
    """The user's network, whose slimmer versions use slices of its weights.

    Called with inputs and the choices of one architecture it returns the logits of that architecture; gradients flow
    back into the shared weights.

    Parameters
    ----------
    network : Module
        The user's network; its weights are copied.
    build : callable
        Returns the plain network of one architecture.
    cuts : callable
        Returns the indices that one architecture removes from each part.
    """

    def __init__(
        self,
        network: nn.Module,
        build: Callable[[np.ndarray], nn.Module],
        cuts: Callable[[np.ndarray], Sequence[Cut]],
    ):
        super().__init__()
        self.network, self._build, self._cuts = deepcopy(network), build, cuts
        self._versions = lru_cache(CACHED_VERSIONS)(self._make_version)

    def forward(self, x: torch.Tensor, choices: np.ndarray, *, dropout: bool = False) -> torch.Tensor:
        version = self._versions(choices.tobytes())
        with version.lock:
            for module in version.network.modules():
                module.training = self.training and (dropout or isinstance(module, nn.modules.batchnorm._NormBase))
            with safe_gradients(version.network):
                return functional_call(version.network, self._slices(version), (x,))

    def subnetwork(self, choices: np.ndarray) -> nn.Module:
        """Return one architecture as a plain network with a copy of its weights."""
        version = self._versions(choices.tobytes())
        network = deepcopy(version.network)
        tensors = {name: tensor.detach() for name, tensor in self._slices(version).items()}
        network.load_state_dict(tensors, strict=False)
        return network.eval()

    def _slices(self, version: _Version) -> dict[str, torch.Tensor]:
        """Return a version's slices of the parameters, and of copies of the buffers."""
        parameters, buffers = dict(self.network.named_parameters()), dict(self.network.named_buffers())
        whole = {name: parameters[name] if name in parameters else buffers[name].clone() for name in version.names}
        return {name: sliced(tensor, name, version.kept) for name, tensor in whole.items()}

    def _make_version(self, key: bytes) -> _Version:
        choices = np.frombuffer(key, dtype=np.int8)
        network = self._build(choices)
        tensors = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        return _Version(network, kept_indices(tensors, union(self._cuts(choices))))


class _Version:
    """The layers of one architecture, the indices of its slices, and a lock: threads share the layers."""

    def __init__(self, network: nn.Module, kept: Mapping[Axis, torch.Tensor]):
        self.network, self.kept, self.lock = network, kept, Lock()
        self.names = [*dict(network.named_parameters()), *dict(network.named_buffers())]
