"""AutoShrink's recurrent cells: directed acyclic graphs whose edges are present or absent.

References
----------
Zhang et al. 2020, "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture", and the authors'
code (``searching/rnn/model.py``), which the cell, the tied embedding and the count of multiply–accumulates of the edges
follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np

from nagevo.foundation.options import Option
from nagevo.spaces.graph import GraphSpace, node_operations

if TYPE_CHECKING:
    from nagevo.spaces.rnn_dag.network import RNNDAGNetwork
    from nagevo.spaces.rnn_dag.supernet import RNNDAGSupernet

Activation = Literal["tanh", "relu", "sigmoid", "identity"]
ACTIVATIONS = get_args(Activation)
"""Functions that a node may apply to what its edges bring."""


class RNNDAGSpace(GraphSpace):
    """Recurrent cells for sequences of tokens: which nodes of a graph read which earlier ones.

    Notes
    -----
    The network is an embedding, one cell, and a classifier of the next token that shares the weights of the embedding.
    Training runs the cell over sequences of ``length`` tokens; a device runs it for one token after the other, with the
    state in between as an input and an output. Costs and latencies are those of one token, so that they do not depend
    on ``length``.

    Every edge costs the same, ``2 width²`` weights and multiplications. Without edges the cell is node 0 alone.
    """

    vocabulary: int

    def __init__(
        self,
        *,
        nodes: Annotated[int, Option("Nodes of a graph, the input among them.", ge=2)] = 6,
        activations: Annotated[
            Sequence[Activation] | None,
            Option("Activation of each node but the input; null for equal numbers of all, shuffled."),
        ] = None,
        activation_seed: Annotated[int, Option("Seed of the shuffle of `activations`.", ge=0)] = 0,
        width: Annotated[int, Option("Units of a node, of the state and of the embedding.", ge=1)] = 64,
        vocabulary: Annotated[int, Option("Different tokens.", ge=2)] = 64,
        length: Annotated[int, Option("Tokens of a sequence in training.", ge=1)] = 64,
    ):
        super().__init__(nodes)
        self.width, self.vocabulary, self.length = width, vocabulary, length
        self.activations = node_operations("activations", activations, ACTIVATIONS, nodes - 1, seed=activation_seed)

    @property
    def input_shape(self) -> tuple[int]:
        return (self.length,)

    def network(self, choices: np.ndarray) -> RNNDAGNetwork:
        from nagevo.spaces.rnn_dag.network import RNNDAGNetwork

        reads = self._reads_of(choices)
        return RNNDAGNetwork(reads, self.activations, width=self.width, vocabulary=self.vocabulary)

    def _reads_of(self, choices: np.ndarray) -> np.ndarray:
        """Return which node reads which in one architecture, bool, shape (nodes, nodes)."""
        return self.reads(self.canonical(choices[None]))[0]

    def supernet(self, *, kernel_transform: bool = True) -> RNNDAGSupernet:
        """Return the network with all edges, of which the others have some; there are no kernels to transform."""
        from nagevo.spaces.rnn_dag.supernet import RNNDAGSupernet

        return RNNDAGSupernet(self.network(self.extremes()[1]), self._reads_of)

    def costs(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Return trainable ``parameters`` and the ``macs`` of one token: int64, shape (n,)."""
        edges = self.canonical(choices).sum(axis=1, dtype=np.int64)
        weights = 2 * self.width**2 * (2 + edges)  # node 0 reads the token and the state
        classifier = self.width * self.vocabulary
        return {"parameters": weights + classifier + self.vocabulary, "macs": weights + classifier}
