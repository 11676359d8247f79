"""What evaluators on images say of their images."""

from nagevo.measure.accuracy import create_evaluator
from nagevo.spaces import create_space


def evaluator(**options):
    space = create_space("mobilenetv3", resolution=16, channels=1, classes=10)
    return create_evaluator("training", space, dataset={"name": "mnist5k", **options})


def test_preprocessing_tells_the_crop():
    assert evaluator(crop=0.8).preprocessing()["crop"] == 0.8
    assert evaluator().preprocessing()["crop"] == 1.0


def test_the_splits_hold_every_image_once():
    table = evaluator(train=3500, validation=500, test=1000).splits()
    assert table["split"].value_counts().to_dict() == {"train": 3500, "validation": 500, "test": 1000}
    assert sorted(table["row"]) == list(range(5000))
