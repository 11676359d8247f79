"""The torch model that turns (budget, device) into architectures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class FrontierModel(nn.Module):
    """A distribution over architectures, conditioned on what is asked of them and on the device.

    The distribution is autoregressive in the choices: the logits of a choice are those of a multilayer perceptron of
    the condition plus one learned vector for each earlier choice's option. All choices of a training batch therefore
    cost one matrix product, and drawing one needs no recurrent state.

    Parameters
    ----------
    n_options : sequence of int, length n_choices
        Number of options of each choice.
    n_conditions : int
        Length of the condition vector.
    hidden : int
        Units of each of the two hidden layers.
    """

    def __init__(self, n_options: Sequence[int], n_conditions: int, hidden: int):
        super().__init__()
        self.n_options = tuple(n_options)
        self.n_conditions, self.hidden = n_conditions, hidden
        n_logits = sum(self.n_options)
        self.trunk = nn.Sequential(
            nn.Linear(n_conditions, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, n_logits),
        )
        self.coupling = nn.Parameter(torch.zeros(n_logits, n_logits))
        choice_of_logit = torch.repeat_interleave(torch.arange(len(self.n_options)), torch.tensor(self.n_options))
        self.register_buffer("earlier", (choice_of_logit[:, None] < choice_of_logit[None, :]).float(), persistent=False)

    def log_likelihood(self, conditions: torch.Tensor, choices: torch.Tensor) -> torch.Tensor:
        """Return the log probability of each architecture under its condition.

        Parameters
        ----------
        conditions : Tensor, shape (batch, n_conditions)
        choices : Tensor of int64, shape (batch, n_choices)

        Returns
        -------
        Tensor, shape (batch,)
        """
        one_hot = torch.cat([F.one_hot(choices[:, i], n) for i, n in enumerate(self.n_options)], dim=1).float()
        logits = self.trunk(conditions) + one_hot @ (self.coupling * self.earlier)  # (batch, n_logits)
        per_choice = [part.log_softmax(dim=1) for part in logits.split(self.n_options, dim=1)]
        return (torch.cat(per_choice, dim=1) * one_hot).sum(dim=1)

    @torch.inference_mode()
    def decode(self, conditions: torch.Tensor, n: int, *, rng: torch.Generator) -> np.ndarray:
        """Return n architectures for each condition: the first greedily, the others drawn.

        Parameters
        ----------
        conditions : Tensor, shape (batch, n_conditions)
        n : int
        rng : torch.Generator

        Returns
        -------
        ndarray of int8, shape (batch, n, n_choices)
        """
        logits = self.trunk(conditions).repeat_interleave(n, dim=0)  # (batch * n, n_logits)
        noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=rng).clamp(1e-9, 1 - 1e-7)))
        noise[::n] = 0.0
        coupling = self.coupling * self.earlier
        columns, start = [], 0
        for size in self.n_options:
            stop = start + size
            option = (logits[:, start:stop] + noise[:, start:stop]).argmax(dim=1)
            logits[:, stop:] += coupling[start + option, stop:]
            columns.append(option)
            start = stop
        return torch.stack(columns, dim=1).to(torch.int8).numpy().reshape(len(conditions), n, len(self.n_options))
