"""A recurrent policy over architectures, trained by policy gradient; several independent ones in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

Start = Callable[[], torch.Tensor]
"""Returns the first inputs of a batch of episodes, shape (n_policies, batch, hidden)."""

Advantage = Callable[[np.ndarray], np.ndarray]
"""From sampled choices, shape (n_policies, batch, n_choices), to how good they are, shape (n_policies, batch)."""


class Controller(nn.Module):
    """LSTM that makes the choices of an architecture one after the other.

    The first input of an episode is given; every later input is the embedding of the option just chosen. Each choice
    has a linear head on the hidden state. ``n_policies`` controllers that share nothing are held and run as one.

    Parameters
    ----------
    n_options : sequence of int, length n_choices
        Number of options of each choice.
    hidden : int
        Size of the state, and of embeddings.

    References
    ----------
    Zoph, Le 2017, "Neural Architecture Search with Reinforcement Learning": the policy and its REINFORCE training.
    PNAG's code has the same cell, size and initial weights, uniform in [-0.1, 0.1], with one head for each kind of
    choice; a general space does not say which choices are of one kind, so here each choice has its own.
    """

    def __init__(self, n_options: Sequence[int], *, n_policies: int = 1, hidden: int = 64):
        super().__init__()
        self.n_options, self.n_policies, self.hidden = tuple(n_options), n_policies, hidden

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(n_policies, *shape).uniform_(-0.1, 0.1))

        self.input = uniform(hidden, 4 * hidden)
        self.recurrent = uniform(hidden, 4 * hidden)
        self.bias = uniform(1, 4 * hidden)
        self.embeddings = nn.ParameterList(uniform(n, hidden) for n in self.n_options)
        self.heads = nn.ParameterList(uniform(hidden, n) for n in self.n_options)
        self.head_biases = nn.ParameterList(uniform(1, n) for n in self.n_options)

    def forward(
        self,
        start: torch.Tensor,
        *,
        generator: torch.Generator | None = None,
        choices: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return choices, their log-probability and the entropy of the decisions on the way.

        Parameters
        ----------
        start : Tensor, shape (n_policies, batch, hidden)
        generator : torch.Generator, optional
            Draws the choices; without it each is the most probable one.
        choices : LongTensor, shape (n_policies, batch, n_choices), optional
            Made instead of own ones.

        Returns
        -------
        choices : LongTensor, shape (n_policies, batch, n_choices)
        log_probability, entropy : Tensor, shape (n_policies, batch)
            Sums over the choices, in nats.
        """
        x, state = start, (torch.zeros_like(start), torch.zeros_like(start))
        noise = None if generator is None else _gumbel(self.n_options, start.shape[:2], generator)
        made = []
        log_probability, entropy = torch.zeros(start.shape[:2]), torch.zeros(start.shape[:2])
        for i, n in enumerate(self.n_options):
            state = self._step(x, state)
            logs = torch.log_softmax(torch.baddbmm(self.head_biases[i], state[0], self.heads[i]), dim=-1)
            wanted = logs.detach() if noise is None else logs.detach() + noise[i, ..., :n]
            index = wanted.argmax(dim=-1) if choices is None else choices[..., i]
            chosen = nn.functional.one_hot(index, n).to(logs.dtype)  # (n_policies, batch, n)
            log_probability = log_probability + (chosen * logs).sum(dim=-1)
            entropy = entropy - (logs.exp() * logs).sum(dim=-1)
            x = torch.bmm(chosen, self.embeddings[i])  # (n_policies, batch, hidden)
            made.append(index)
        return torch.stack(made, dim=-1), log_probability, entropy

    def _step(self, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, cell = state
        gates = torch.baddbmm(self.bias, x, self.input) + torch.bmm(hidden, self.recurrent)
        forget, keep, emit, candidate = gates.chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(keep) * torch.tanh(candidate)
        return torch.sigmoid(emit) * torch.tanh(cell), cell


def _gumbel(n_options: Sequence[int], shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Return noise that, added to log-probabilities, makes the largest a draw: (n_choices, *shape, largest option)."""
    uniform = torch.rand(len(n_options), *shape, max(n_options), generator=generator)
    return -torch.log(-torch.log(uniform.clamp(1e-12, 1.0 - 1e-7)))


def reinforce(
    controller: Controller,
    start: Start,
    advantage: Advantage,
    *,
    optimizer: torch.optim.Optimizer,
    iterations: int,
    entropy: float,
    generator: torch.Generator,
) -> None:
    """Train the policies by Monte Carlo policy gradient.

    Each iteration draws one batch of episodes for every policy and descends along
    ``-advantage * log_probability - entropy * entropy_of_the_decisions``, averaged over the batch.

    References
    ----------
    Williams 1992, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning".
    """
    for _ in range(iterations):
        choices, log_probability, spread = controller(start(), generator=generator)
        policy_step(optimizer, log_probability, spread, advantage(choices.numpy()), entropy=entropy)


def policy_step(
    optimizer: torch.optim.Optimizer,
    log_probability: torch.Tensor,
    spread: torch.Tensor,
    advantage: np.ndarray,
    *,
    entropy: float,
) -> None:
    """Make one update from episodes, of which log-probability, entropy and advantage have shape (n_policies, batch)."""
    weight = torch.from_numpy(advantage.astype(np.float32))
    loss = -(weight * log_probability + entropy * spread).mean(dim=1).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
