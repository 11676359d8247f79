"""NA-DARTS on neighborhoods whose flatness is known."""

import numpy as np
import torch
from separable import SeparableSpace

from nagevo.search.methods.budget_sweep import Budget
from nagevo.search.methods.gaea import GAEA
from nagevo.search.methods.na_darts import NADARTS, perturbed
from nagevo.search.methods.relaxation import Simplices

SIMPLICES = Simplices((4, 4))
BUDGET = Budget("phone", 1.0)
ERRORS = torch.tensor(
    [[-3.0, 2.0, 2.0, 2.0], [2.0, -2.0, -2.0, -2.0], [2.0, -2.0, -2.0, -2.0], [2.0, -2.0, -2.0, -2.2]]
)
"""By the options of two choices: a sharp minimum at (0, 0), a flat one at (3, 3)."""


class Bilinear:
    """A surrogate that knows the expected error under a mixture, and a latency below every budget."""

    n_members = 1

    def __call__(self, mixtures, device):
        mixtures = mixtures.expand(1, *mixtures.shape) if mixtures.ndim == 2 else mixtures
        error = torch.einsum("mni,ij,mnj->mn", mixtures[..., :4], ERRORS, mixtures[..., 4:])
        return error, torch.full_like(error, -100.0)


def strategy(cls):
    searcher = cls(SeparableSpace(), ["phone"], steps=100)
    searcher.simplices = SIMPLICES
    return searcher


def test_the_gradient_ignores_replaced_choices():
    mixtures = SIMPLICES.uniform(1, 1).requires_grad_()
    near = perturbed(SIMPLICES, mixtures, 1, generator=torch.Generator().manual_seed(0))
    near.sum().backward()
    kept = (near[0, 0] == mixtures[0, 0]).detach()
    assert kept.tolist() in ([True] * 4 + [False] * 4, [False] * 4 + [True] * 4)
    np.testing.assert_array_equal(mixtures.grad[0, 0], kept.float())


def test_a_neighbor_takes_a_less_likely_option_of_one_choice():
    mixtures = SIMPLICES.corners(np.array([[0, 2], [3, 1]]))[:, None]
    near = perturbed(SIMPLICES, mixtures, 200, generator=torch.Generator().manual_seed(0))
    choices = SIMPLICES.likeliest(near)
    for center, neighbors in zip(([0, 2], [3, 1]), choices, strict=True):
        np.testing.assert_array_equal(np.count_nonzero(neighbors != center, axis=1), 1)
        assert len(np.unique(neighbors, axis=0)) == 6  # all neighbors occur


def test_a_flat_optimum_has_less_error_than_a_sharp_one():
    candidates = np.array([[0, 0], [3, 3]], dtype=np.int8)
    generator = torch.Generator().manual_seed(0)
    sharp, flat = strategy(NADARTS).losses(Bilinear(), candidates, BUDGET, generator=generator)
    assert abs(sharp - 2.0) < 1e-6  # all neighbors of the sharp one err by 2
    assert flat < sharp - 1.0  # four of six neighbors of the flat one err by -2: -2/3 on average


def test_descent_leaves_a_sharp_optimum_in_which_plain_descent_ends():
    ends = {}
    near_sharp = SIMPLICES.normalize(torch.tensor([[[0.6, 0.2, 0.1, 0.1, 0.6, 0.2, 0.1, 0.1]]]))
    for cls in (NADARTS, GAEA):
        generator = torch.Generator().manual_seed(0)
        mixture = strategy(cls).descend(Bilinear(), near_sharp, BUDGET, generator=generator)
        ends[cls] = SIMPLICES.likeliest(mixture[0])[0]
    np.testing.assert_array_equal(ends[GAEA], [0, 0])
    assert (ends[NADARTS] > 0).all()  # in the flat region
