"""The model that is trained to propose architectures for a budget on a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from nagevo.generator.decoder import Decoder


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

    earlier: torch.Tensor

    def __init__(self, n_options: Sequence[int], n_conditions: int, hidden: int):
        super().__init__()
        self.n_options = tuple(n_options)
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

    def decoder(self) -> Decoder:
        """Return what draws from this distribution, with a copy of the weights."""
        return Decoder(self.n_options, {name: tensor.numpy().copy() for name, tensor in self.state_dict().items()})
