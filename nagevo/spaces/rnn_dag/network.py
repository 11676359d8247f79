"""Networks of AutoShrink's recurrent cells as plain torch modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nagevo.spaces.graph import leaves_of, sources_of

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}
"""By the names of ``ACTIVATIONS``."""

Node = tuple[int, Sequence[int], Tensor]
"""A node: its number, the nodes that it reads, and the weights of those edges, shape (sources, width, 2 width)."""


class RNNDAGNetwork(nn.Module):
    """Embedding, recurrent cell, classifier of the next token with the weights of the embedding.

    With gates :math:`g` and candidates :math:`c`, node 0 is :math:`s_0 = h + g_0 (\\tanh(c_0) - h)` of the state
    :math:`h` and the token :math:`x`, where :math:`(g_0, c_0) = (\\sigma, 1)(W_x x + W_h h)`. An edge from node i to
    node j brings :math:`s_i + g (f_j(c) - s_i)` with weights of its own; a node is the mean of what its edges bring,
    and the next state is the mean of the nodes that no other node reads.

    Parameters
    ----------
    reads : ndarray of bool, shape (nodes, nodes)
        Whether a node (first axis) reads another (second axis); what the input does not reach reads nothing.
    activations : sequence of str, length nodes - 1
        :math:`f` of each node but node 0.
    width : int
        Units of a node, of the state and of the embedding.
    vocabulary : int
        Number of tokens.

    Attributes
    ----------
    state_shape : tuple of int
        Shape of the state, without the batch: such a network can run token by token.
    """

    def __init__(self, reads: np.ndarray, activations: Sequence[str], *, width: int, vocabulary: int):
        super().__init__()
        self.reads, self.activations, self.width, self.vocabulary = reads, tuple(activations), width, vocabulary
        self.state_shape = (width,)
        self.sources = sources_of(reads)
        self.embedding = nn.Embedding(vocabulary, width)
        self.token = nn.Parameter(torch.empty(width, 2 * width))
        self.state = nn.Parameter(torch.empty(width, 2 * width))
        self.edges = nn.ParameterDict(
            {str(node): torch.empty(len(sources), width, 2 * width) for node, sources in self.sources.items()}
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.uniform_(self.embedding.weight, -1.0, 1.0)
        bound = (3 / width) ** 0.5  # of a variance of 1 / width
        for weights in (self.token, self.state, *self.edges.values()):
            nn.init.uniform_(weights, -bound, bound)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits of the token after each, shape (batch, length, vocabulary); with a state also the next one.

        Parameters
        ----------
        tokens : Tensor of int64, shape (batch, length)
        state : Tensor, shape (batch, width), optional
            What was returned for the tokens before these; without one they are the first.
        """
        cell = [(node, sources, self.edges[str(node)]) for node, sources in self.sources.items()]
        logits, last = self.run(tokens, state, cell, leaves_of(self.reads))
        return logits if state is None else (logits, last)

    def run(
        self, tokens: Tensor, state: Tensor | None, cell: Iterable[Node], leaves: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of all tokens and the last state, for a cell of these nodes; see :meth:`forward`."""
        given = self.embedding(tokens) @ self.token  # (batch, length, 2 width)
        if state is None:
            state = given.new_zeros(len(tokens), self.width)
        states = []
        for at in range(tokens.shape[1]):
            state = self._next_state(given[:, at], state, cell, leaves)
            states.append(state)
        return nn.functional.linear(torch.stack(states, 1), self.embedding.weight, self.bias), state

    def _next_state(self, given: Tensor, state: Tensor, cell: Iterable[Node], leaves: Sequence[int]) -> Tensor:
        gate, candidate = (given + state @ self.state).chunk(2, -1)
        values = {0: torch.lerp(state, torch.tanh(candidate), torch.sigmoid(gate))}  # each (batch, width)
        for node, sources, weights in cell:
            read = torch.stack([values[source] for source in sources])  # (sources, batch, width)
            gate, candidate = torch.bmm(read, weights).chunk(2, -1)
            function = FUNCTIONS[self.activations[node - 1]]
            values[node] = torch.lerp(read, function(candidate), torch.sigmoid(gate)).mean(0)
        if len(leaves) == 1:
            return values[leaves[0]]
        return torch.stack([values[leaf] for leaf in leaves]).mean(0)
