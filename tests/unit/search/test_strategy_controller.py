"""The recurrent controller and its policy gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from separable import SeparableSpace, accuracy, best_accuracy, latency_ms

from nagevo.search.methods.controller import Controller, reinforce
from nagevo.search.methods.learning import seeded, torch_generator
from nagevo.search.methods.monas import latency_constraint
from nagevo.training.accelerator import torch_threads

SPACE = SeparableSpace()


def make_controller(n_policies: int) -> Controller:
    return seeded(lambda: Controller(SPACE.n_options, n_policies=n_policies, hidden=16), rng=np.random.default_rng(0))


def test_the_probabilities_of_all_architectures_sum_to_one_for_every_policy():
    everything = torch.from_numpy(SPACE.enumerate()).long().expand(2, -1, -1)
    start = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0)).expand(-1, SPACE.size, -1)
    _, log_probability, _ = make_controller(2)(start, choices=everything)
    assert log_probability.exp().sum(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


def test_entropy_averaged_over_samples_is_the_expected_surprise():
    everything = torch.from_numpy(SPACE.enumerate()).long()[None]
    _, log_probability, entropy = make_controller(1)(torch.zeros(1, SPACE.size, 16), choices=everything)
    probability = log_probability.exp()
    surprise = -(probability * log_probability).sum()
    assert (probability * entropy).sum().item() == pytest.approx(surprise.item(), rel=1e-5)


def test_greedy_decoding_repeats_itself_and_sampling_with_its_generator():
    controller, start = make_controller(1), torch.zeros(1, 8, 16)
    assert torch.equal(controller(start)[0], controller(start)[0])
    first, second = (controller(start, generator=torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert len(torch.unique(first[0], dim=0)) > 1


def test_reinforce_with_a_constraint_finds_the_optimum_of_each_policy():
    limits, controller = np.array([5.0, 13.0, 100.0]), make_controller(3)

    def advantage(choices: np.ndarray) -> np.ndarray:
        rewards = latency_constraint(accuracy(choices), latency_ms(choices), limits[:, None])
        return (rewards - rewards.mean(axis=1, keepdims=True)) / (rewards.std(axis=1, keepdims=True) + 1e-9)

    with torch_threads(1):
        reinforce(
            controller,
            lambda: torch.zeros(3, 64, 16),
            advantage,
            optimizer=torch.optim.Adam(controller.parameters(), lr=2e-2),
            iterations=150,
            entropy=0.1,
            generator=torch.Generator().manual_seed(0),
        )
    found = controller(torch.zeros(3, 1, 16))[0][:, 0].numpy()
    assert (latency_ms(found) <= limits).all()
    assert accuracy(found).tolist() == [best_accuracy(limit) for limit in limits]


def test_seeded_weights_depend_on_the_given_rng_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = make_controller(1)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), make_controller(1).parameters(), strict=True))


def test_the_number_of_threads_is_restored_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(1):
        raise KeyError(torch.get_num_threads())
    assert torch.get_num_threads() == before


def test_generators_of_equal_rngs_draw_alike():
    draws = [torch.rand(3, generator=torch_generator(np.random.default_rng(5))) for _ in range(2)]
    assert torch.equal(*draws)
