"""The torch model: a proper distribution, decoded in one pass, and able to learn a frontier."""

import itertools

import numpy as np
import torch

from nagevo.generator.model import FrontierModel


def random_model(n_options=(2, 3, 2), n_conditions=4) -> FrontierModel:
    torch.manual_seed(0)
    model = FrontierModel(n_options, n_conditions, hidden=8)
    torch.nn.init.normal_(model.coupling)
    return model


def every_architecture(n_options) -> torch.Tensor:
    return torch.tensor(list(itertools.product(*map(range, n_options))))


def test_the_probabilities_of_all_architectures_add_up_to_one():
    model = random_model()
    rows = every_architecture(model.n_options)  # 2 * 3 * 2 = 12 architectures
    total = model.log_likelihood(torch.randn(1, 4).expand(len(rows), -1), rows).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0))


def test_architectures_are_decoded_as_often_as_their_probability_says():
    model = random_model()
    condition = torch.randn(1, 4)
    rows = every_architecture(model.n_options)
    expected = model.log_likelihood(condition.expand(len(rows), -1), rows).exp().detach().numpy()
    drawn = model.decoder().decode(condition.numpy(), 20_001, rng=np.random.default_rng(1))[0, 1:]
    seen = np.array([(drawn == row).all(axis=1).mean() for row in rows.numpy()])
    # a share p of 20,000 draws has a standard deviation of at most 0.5 / sqrt(20,000) = 0.0035
    np.testing.assert_allclose(seen, expected, atol=0.0035 * 4)


def test_the_first_decoded_architecture_takes_the_likeliest_options():
    model = random_model(n_options=(2, 2), n_conditions=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.trunk[-1].bias.copy_(torch.tensor([0.0, 1.0, 0.5, 0.0]))
        model.coupling[1, 3] = 2.0  # after option 1 of the first choice: 0.0 + 2.0 > 0.5 for option 1 of the second
    decoded = model.decoder().decode(np.zeros((1, 1), np.float32), 1, rng=np.random.default_rng(0))
    assert decoded.tolist() == [[[1, 1]]]


def test_a_later_choice_does_not_change_the_logits_of_an_earlier_one():
    model = random_model(n_options=(2, 3))
    condition = torch.randn(1, 4).expand(6, -1)
    joint = model.log_likelihood(condition, every_architecture((2, 3))).exp().reshape(2, 3).sum(dim=1)
    changed = random_model(n_options=(2, 3))
    with torch.no_grad():
        changed.coupling[2:, :2] += 5.0  # from the second choice to the first: has to be without effect
    after = changed.log_likelihood(condition, every_architecture((2, 3))).exp().reshape(2, 3).sum(dim=1)
    torch.testing.assert_close(joint, after)


def test_the_same_seed_decodes_the_same_architectures():
    model = random_model()
    decoder, conditions = model.decoder(), np.ones((3, 4), np.float32)
    first, second = (decoder.decode(conditions, 5, rng=np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
