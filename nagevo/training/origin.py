"""The network that a training begins with: weights that come of another one are not taken for those of this one."""

from __future__ import annotations

import hashlib
import sys

from torch import nn

from nagevo.foundation.sources import Sources
from nagevo.training.tensors import digest

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers of batch normalization, which follow from weights and examples."""
PACKAGES = {"nagevo", "torch", *sys.stdlib_module_names}
"""Packages whose code is not looked at: what a version of them changes is no reason to train again."""


def origin(network: nn.Module) -> dict[str, str]:
    """Return hashes of the layers of a network, of its weights, and of the code of its classes."""
    weights = {name: tensor for name, tensor in network.state_dict().items() if name.split(".")[-1] not in STATISTICS}
    return {
        "network": hashlib.sha256(str(network).encode()).hexdigest(),
        "weights": digest(weights),
        "code": Sources().hash(*_modules(network)),
    }


def _modules(network: nn.Module) -> list[str]:
    """Return the names of the modules in which classes of a network are, other than those of :data:`PACKAGES`."""
    classes = {base for layer in network.modules() for base in type(layer).__mro__}
    modules = {each.__module__ for each in classes}
    return sorted(name for name in modules if name.partition(".")[0] not in PACKAGES)
