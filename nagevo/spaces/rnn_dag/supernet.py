"""The weight-sharing network of AutoShrink's recurrent cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from nagevo.spaces.graph import leaves_of, sources_of
from nagevo.spaces.rnn_dag.network import RNNDAGNetwork


class RNNDAGSupernet(nn.Module):
    """The cell with all edges; an architecture is the same cell with some of them.

    Parameters
    ----------
    network : RNNDAGNetwork
        With all edges.
    reads : callable
        From the choices of an architecture, shape (n_choices,), to which node reads which, shape (nodes, nodes).
    """

    def __init__(self, network: RNNDAGNetwork, reads: Callable[[np.ndarray], np.ndarray]):
        super().__init__()
        self.network, self.vocabulary = network, network.vocabulary
        self._reads = reads

    def forward(self, tokens: Tensor, choices: np.ndarray, *, dropout: bool = False) -> Tensor:
        """Return the logits of one architecture, shape (batch, length, vocabulary); there is no dropout."""
        reads = self._reads(choices)
        cell = [(node, sources, self.network.edges[str(node)][sources]) for node, sources in sources_of(reads).items()]
        return self.network.run(tokens, None, cell, leaves_of(reads))[0]

    def subnetwork(self, choices: np.ndarray) -> RNNDAGNetwork:
        """Return an architecture as a plain network with a copy of its weights."""
        whole = self.network
        part = RNNDAGNetwork(self._reads(choices), whole.activations, width=whole.width, vocabulary=whole.vocabulary)
        weights = dict(whole.state_dict())
        weights |= {f"edges.{node}": whole.edges[str(node)][sources] for node, sources in part.sources.items()}
        part.load_state_dict({name: weights[name] for name in part.state_dict()})
        return part
