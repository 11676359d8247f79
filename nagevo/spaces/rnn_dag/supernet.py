"""The weight-sharing network of AutoShrink's recurrent cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nagevo.spaces.rnn_dag.network import RNNDAGNetwork, leaves_of, sources_of

if TYPE_CHECKING:
    from nagevo.spaces.rnn_dag.space import RNNDAGSpace


class RNNDAGSupernet(nn.Module):
    """The cell with all edges; an architecture is the same cell with some of them.

    Parameters
    ----------
    space : RNNDAGSpace
    """

    def __init__(self, space: RNNDAGSpace):
        super().__init__()
        self.space = space
        self.network = space.network(space.extremes()[1])
        self.vocabulary = space.vocabulary

    def forward(self, tokens: Tensor, choices: np.ndarray, *, dropout: bool = False) -> Tensor:
        """Return the logits of one architecture, shape (batch, length, vocabulary); there is no dropout."""
        reads = self.space.reads(self.space.canonical(choices[None]))[0]
        cell = [(node, sources, self.network.edges[str(node)][sources]) for node, sources in sources_of(reads).items()]
        return self.network.run(tokens, None, cell, leaves_of(reads))[0]

    def subnetwork(self, choices: np.ndarray) -> RNNDAGNetwork:
        """Return an architecture as a plain network with a copy of its weights."""
        network = self.space.network(choices)
        with torch.no_grad():
            for name in ("token", "state", "bias"):
                getattr(network, name).copy_(getattr(self.network, name))
            network.embedding.weight.copy_(self.network.embedding.weight)
            for node, sources in network.sources.items():
                network.edges[str(node)].copy_(self.network.edges[str(node)][sources])
        return network
