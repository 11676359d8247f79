"""The published accuracy predictor."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from nagevo.foundation.errors import ConfigError, DataError
from nagevo.measure.accuracy import create_evaluator
from nagevo.spaces import create_space

torch = pytest.importorskip("torch")

SPACE = create_space("mobilenetv3")


@pytest.fixture
def path(tmp_path):
    def write(*widths):
        torch.manual_seed(0)
        layers = []
        for before, after in pairwise(widths):
            layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        write.network = torch.nn.Sequential(*layers[:-1])
        torch.save(write.network.state_dict(), tmp_path / "predictor.pth")
        return tmp_path / "predictor.pth"

    return write


def test_it_computes_what_the_torch_network_computes(path):
    evaluator = create_evaluator("ofa_predictor", SPACE, path=path(128, 16, 8, 1))
    choices = SPACE.sample(20, rng=np.random.default_rng(0))
    with torch.no_grad():
        expected = 100 * path.network(torch.from_numpy(evaluator.encode(choices)))[:, 0].numpy()
    scores = evaluator.evaluate(choices)
    assert scores["accuracy"].to_numpy() == pytest.approx(expected, rel=1e-4)
    assert (scores["status"] == "ok").all()


def test_the_input_is_the_documented_one(path):
    evaluator = create_evaluator("ofa_predictor", SPACE, path=path(128, 1), resolution=160)
    text = "3,2,2,2,2:7,5,3,0,3,3,0,0,3,3,0,0,3,3,0,0,3,3,0,0:6,4,3,0,3,3,0,0,3,3,0,0,3,3,0,0,3,3,0,0"
    encoded = evaluator.encode(SPACE.from_text([text]))[0]
    assert encoded[:12].tolist() == [0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]  # 7, 5, 3, unused
    assert encoded[60:72].tolist() == [0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0]  # 6, 4, 3, unused
    assert encoded[120:].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]  # (160 - 112) / 16 = 3
    assert encoded.sum() == 11 + 11 + 1  # 3 + 2 + 2 + 2 + 2 layers


def test_each_architecture_is_predicted_at_its_own_resolution(path):
    space = create_space("mobilenetv3", resolutions=[160, 224])
    evaluator = create_evaluator("ofa_predictor", space, path=path(128, 1))
    smallest, largest = evaluator.encode(space.extremes())
    assert smallest[120:].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]  # (160 - 112) / 16 = 3
    assert largest[120:].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]  # (224 - 112) / 16 = 7
    with pytest.raises(ConfigError, match="knows no widths to choose"):
        create_evaluator("ofa_predictor", create_space("mobilenetv3", widths=[0.5, 1]), path=path(128, 1))


def test_what_cannot_be_used_is_one_clear_error(path, tmp_path):
    good, options = path(128, 4, 1), {"path": tmp_path / "predictor.pth"}
    with pytest.raises(ConfigError, match="one of 112, 128"):
        create_evaluator("ofa_predictor", SPACE, path=good, resolution=230)
    with pytest.raises(ConfigError, match="mobilenetv3 only"):
        create_evaluator("ofa_predictor", create_space("nasbench201"), path=good)
    path(100, 1)
    with pytest.raises(DataError, match="128 inputs"):
        create_evaluator("ofa_predictor", SPACE, **options)
    path(128, 2)
    with pytest.raises(DataError, match="one output"):
        create_evaluator("ofa_predictor", SPACE, **options)
    options["path"].write_bytes(b"no state dict")
    with pytest.raises(DataError, match="not a state dict"):
        create_evaluator("ofa_predictor", SPACE, **options)
    with pytest.raises(DataError, match="does not exist"):
        create_evaluator("ofa_predictor", SPACE, path=tmp_path / "absent.pth")


def test_it_gives_the_accuracies_of_the_best_known_frontier(shared_data):
    folder = shared_data / "ofa_mobilenetv3"
    frontier = pd.read_csv(folder / "note10_best_known_frontier.csv")
    evaluator = create_evaluator("ofa_predictor", SPACE, path=folder / "acc_predictor.pth")
    scores = evaluator.evaluate(SPACE.from_text(frontier["architecture"].tolist()))
    assert scores["accuracy"].to_numpy() == pytest.approx(frontier["accuracy"].to_numpy(), abs=1e-3)
