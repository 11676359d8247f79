"""Boosted trees by XGBoost: one model for each fold left out, averaged.

XGBoost is imported to fit, or to predict very many rows. Importing it takes as long as the whole ``nagevo generate``
command may, so that where it is not imported yet the same models predict with numpy, to the same bit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from nagevo.foundation.errors import DataError
from nagevo.foundation.files import one_line
from nagevo.learn import ubj

if TYPE_CHECKING:
    import xgboost

PARAMETERS = {
    "max_depth": 4,
    "eta": 0.15,
    "min_child_weight": 1.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "base_score": 0.0,
    "nthread": 1,
}
"""Trees see a standardized target."""

N_TREES = 60
MANY_ROWS = 20_000
"""From here on it pays to import XGBoost."""


@dataclass(frozen=True)
class BoostedTrees:
    """Fitted models, averaged.

    Attributes
    ----------
    models : tuple of bytes
        Each as XGBoost writes it, in Universal Binary JSON.
    target_center, target_spread : float
    """

    models: tuple[bytes, ...]
    target_center: float
    target_spread: float

    @property
    def scale(self) -> dict[str, float]:
        """Center and spread of the target, by name."""
        return {"trees_center": self.target_center, "trees_spread": self.target_spread}

    @classmethod
    def with_scale(cls, models: tuple[bytes, ...], scale: Mapping[str, float]) -> BoostedTrees:
        """Return the models with a :attr:`scale` among other numbers."""
        return cls(models, scale["trees_center"], scale["trees_spread"])

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the models at each row, shape (n_rows,)."""
        return self.predict_members(features).mean(axis=0)

    def predict_members(self, features: np.ndarray) -> np.ndarray:
        """Return what each model says of each row, shape (n_models, n_rows)."""
        features = np.ascontiguousarray(features, dtype=np.float32)
        if "xgboost" in sys.modules or len(features) >= MANY_ROWS:
            standardized = self._booster.inplace_predict(features).reshape(len(features), len(self.models)).T
        else:
            standardized = [trees.predict(features) for trees in self._trees]
        return self.target_center + self.target_spread * np.array(standardized, dtype=float)

    @cached_property
    def _trees(self) -> list[_Trees]:
        return [_Trees.parse(model) for model in self.models]

    @cached_property
    def _booster(self) -> xgboost.Booster:
        """All models as one of several outputs, which a call costs little more than one of them."""
        import xgboost

        _ = self._trees  # checks the models: a damaged one can end a process that XGBoost reads it in
        boosters = [xgboost.Booster(model_file=bytearray(model)) for model in self.models]
        learners = [json.loads(booster.save_raw("json")) for booster in boosters]
        grown = [learner["learner"]["gradient_booster"]["model"]["trees"] for learner in learners]
        trees = [tree | {"id": number} for number, tree in enumerate(chain.from_iterable(grown))]
        joined, n_models = learners[0], len(learners)
        joined["learner"]["gradient_booster"]["model"] |= {
            "trees": trees,
            "tree_info": np.repeat(np.arange(n_models), [len(each) for each in grown]).tolist(),
            "iteration_indptr": [0, len(trees)],
            "gbtree_model_param": {"num_trees": str(len(trees)), "num_parallel_tree": "1"},
        }
        joined["learner"]["learner_model_param"] |= {
            "num_target": str(n_models),
            "base_score": f"[{','.join(['0E0'] * n_models)}]",
        }
        return xgboost.Booster({"nthread": 1}, model_file=bytearray(json.dumps(joined), "utf-8"))


@dataclass(frozen=True)
class Fitted:
    """Boosted trees, and what they predict of each fold when fitted to the others.

    Attributes
    ----------
    trees : BoostedTrees
    out_of_fold : ndarray, shape (n,)
    """

    trees: BoostedTrees
    out_of_fold: np.ndarray


def fit(features: np.ndarray, target: np.ndarray, folds: Sequence[np.ndarray], *, seed: int) -> Fitted:
    """Return boosted trees fitted to all folds but each in turn.

    Parameters
    ----------
    features : ndarray of float32, shape (n, n_features)
    target : ndarray, shape (n,)
    folds : sequence of ndarray of int
        Row numbers of each fold; they cover the rows.
    seed : int
        Fixes the rows and columns that each tree sees.
    """
    import xgboost

    center, spread = float(target.mean()), float(target.std()) or 1.0
    features = np.ascontiguousarray(features, dtype=np.float32)
    standardized = (target - center) / spread
    out_of_fold, models = np.empty(len(target)), []
    for fold in folds:
        rest = np.delete(np.arange(len(target)), fold)
        data = xgboost.DMatrix(features[rest], standardized[rest], nthread=1)
        booster = xgboost.train(PARAMETERS | {"seed": seed}, data, N_TREES)
        out_of_fold[fold] = center + spread * booster.inplace_predict(features[fold])
        models.append(bytes(booster.save_raw("ubj")))
    return Fitted(BoostedTrees(tuple(models), center, spread), out_of_fold)


@dataclass(frozen=True)
class _Trees:
    """The trees of one model as arrays of shape (n_trees, n_nodes); a leaf is its own child.

    Attributes
    ----------
    feature : ndarray of int
        Column that a node compares.
    value : ndarray of float32
        Threshold of a node, below which a row goes left; what a leaf adds.
    left, right : ndarray of int
        Children.
    depth : int
    """

    feature: np.ndarray
    value: np.ndarray
    left: np.ndarray
    right: np.ndarray
    depth: int

    @classmethod
    def parse(cls, model: bytes) -> _Trees:
        """Return the trees in a model that XGBoost wrote.

        Raises
        ------
        DataError
            If the bytes hold no such trees.
        """
        try:
            learner = ubj.parse(model)["learner"]
            trees = cls._of(learner["gradient_booster"]["model"]["trees"])
            n_features = int(learner["learner_model_param"]["num_feature"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(f"an XGBoost model is damaged: {one_line(error)}") from None
        if trees.feature.min() < 0 or trees.feature.max() >= n_features:
            raise DataError("an XGBoost model is damaged: it asks for features that there are not")
        return trees

    @classmethod
    def _of(cls, trees: Sequence[Mapping[str, np.ndarray]]) -> _Trees:
        """Return the trees of a parsed model."""
        n_nodes = max(len(tree["left_children"]) for tree in trees)
        own = np.tile(np.arange(n_nodes), (len(trees), 1))
        feature, left, right = np.zeros_like(own), own.copy(), own.copy()
        value = np.zeros(own.shape, dtype=np.float32)
        for row, tree in enumerate(trees):
            inner = np.flatnonzero(tree["left_children"] >= 0)
            children = np.array([tree["left_children"][inner], tree["right_children"][inner]])
            if (children <= inner).any() or (children >= len(tree["left_children"])).any():
                raise ValueError("a child is not behind its parent")
            left[row, inner], right[row, inner] = children
            feature[row, inner] = tree["split_indices"][inner]
            value[row, : len(tree["split_conditions"])] = tree["split_conditions"]
        return cls(feature, value, left, right, PARAMETERS["max_depth"])

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the sum of the leaves of each row, in float32 and in the order of the trees, as XGBoost adds them."""
        tree = np.arange(len(self.feature))
        node = np.zeros((len(features), len(tree)), dtype=int)
        row = np.arange(len(features))[:, None]
        for _ in range(self.depth):
            goes_left = features[row, self.feature[tree, node]] < self.value[tree, node]
            node = np.where(goes_left, self.left[tree, node], self.right[tree, node])
        return np.cumsum(self.value[tree, node], axis=1, dtype=np.float32)[:, -1]
