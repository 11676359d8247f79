"""Boosted trees by XGBoost: one model for each fold left out, averaged.

XGBoost is imported to fit only. The fitted trees become arrays, from which NumPy predicts: importing XGBoost takes as
long as a whole ``nagevo generate`` may.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nagevo.learn.gaussian import in_parts

MAX_DEPTH = 4
if TYPE_CHECKING:
    import xgboost

PARAMETERS = {
    "max_depth": MAX_DEPTH,
    "eta": 0.15,
    "min_child_weight": 1.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "base_score": 0.0,
    "nthread": 1,
}
"""XGBoost parameters for a standardized target."""

N_TREES = 60
ROWS_AT_ONCE = 256
"""Number of rows that are predicted at a time, so that their comparisons fit the processor's cache."""


@dataclass(frozen=True)
class BoostedTrees:
    """Fitted models as complete binary trees, whose mean predicts.

    Attributes
    ----------
    feature : ndarray of int32, shape (n_models, n_trees, 2**depth - 1)
        Column that each node compares, level by level; the children of node i are 2 i + 1 and 2 i + 2.
    threshold : ndarray of float32, shape (n_models, n_trees, 2**depth - 1)
        A row whose feature lies below goes left.
    leaf : ndarray of float32, shape (n_models, n_trees, 2**depth)
        Value of each leaf, the leftmost first.
    target_center, target_spread : float
        Predictions are the spread times the sum of the leaves, plus the center.
    noise : float
        Standard deviation of the residuals of rows that a model was not fitted to.
    """

    feature: np.ndarray
    threshold: np.ndarray
    leaf: np.ndarray
    target_center: float
    target_spread: float
    noise: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the models at each row, shape (n_rows,)."""
        return self.predict_models(features).mean(axis=0)

    def predict_with_std(self, features: np.ndarray, *, noise: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of the models at each row and their standard deviation, with a measurement's noise or not."""
        models = self.predict_models(features)
        return models.mean(axis=0), np.sqrt(models.var(axis=0) + noise * self.noise**2)

    def predict_models(self, features: np.ndarray) -> np.ndarray:
        """Return what each model predicts of each row, shape (n_models, n_rows)."""
        return self.target_center + self.target_spread * in_parts(self._sums, features, ROWS_AT_ONCE)

    def _sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the leaves that each row reaches, shape (n_models, n_rows)."""
        features = np.ascontiguousarray(rows.T, dtype=np.float32)  # (n_features, n_rows)
        n_models, n_trees, n_leaves = self.leaf.shape
        compared, thresholds, test = self._tests
        answers = (features[compared] >= thresholds[:, None]).view(np.uint8)  # (test, row)
        right = answers[test].reshape(n_leaves - 1, n_models * n_trees, -1)  # (node, tree, row)
        turns: list[np.ndarray] = []  # of each level: 1 where a row goes right
        leaf = np.zeros(right.shape[1:], dtype=np.intp)
        for level in range((n_leaves - 1).bit_length()):
            nodes = right[2**level - 1 : 2 ** (level + 1) - 1]
            for turn in turns:
                lower, upper = np.split(nodes, 2)
                nodes = lower ^ ((lower ^ upper) & turn)
            turns.append(nodes[0])
            leaf = 2 * leaf + nodes[0]
        values = self.leaf.reshape(-1).take(leaf + n_leaves * np.arange(len(leaf))[:, None])
        return values.reshape(n_models, n_trees, -1).sum(axis=1, dtype=float)

    @cached_property
    def _tests(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features and thresholds of all distinct comparisons, and which one each node makes, node by node."""
        nodes = np.stack([self.feature.astype(float), self.threshold.astype(float)], axis=-1)
        nodes = nodes.reshape(-1, nodes.shape[-2], 2).swapaxes(0, 1).reshape(-1, 2)
        distinct, test = np.unique(nodes, axis=0, return_inverse=True)
        return distinct[:, 0].astype(int), distinct[:, 1].astype(np.float32), test.ravel()


@dataclass(frozen=True)
class Boosters:
    """Fitted models of XGBoost, with the further attributes of :class:`BoostedTrees`."""

    models: Sequence[xgboost.Booster]
    target_center: float
    target_spread: float
    noise: float

    def trees(self) -> BoostedTrees:
        """Return the models as arrays, which takes half as long as fitting them."""
        feature, threshold, leaf = (np.stack(each) for each in zip(*map(complete_trees, self.models), strict=True))
        return BoostedTrees(feature, threshold, leaf, self.target_center, self.target_spread, self.noise)


def fit(
    features: np.ndarray, target: np.ndarray, folds: Sequence[np.ndarray], *, seed: int
) -> tuple[Boosters, np.ndarray, np.ndarray]:
    """Return boosted trees fitted to all folds but each in turn, and their cross-validated predictions.

    Parameters
    ----------
    features : ndarray of float32, shape (n, n_features)
    target : ndarray, shape (n,)
    folds : sequence of ndarray of int
        Row numbers of each fold; they cover the rows.
    seed : int
        Fixes the rows and columns that each tree sees.

    Returns
    -------
    boosters : Boosters
    out_of_fold, out_of_fold_std : ndarray, shape (n,)
        Prediction of each row without its fold, and the standard deviation of its residual.
    """
    import xgboost

    center, spread = float(target.mean()), float(target.std()) or 1.0
    features = np.ascontiguousarray(features, dtype=np.float32)
    standardized = (target - center) / spread
    out_of_fold, boosters = np.empty(len(target)), []
    for fold in folds:
        rest = np.delete(np.arange(len(target)), fold)
        data = xgboost.DMatrix(features[rest], standardized[rest], nthread=1)
        booster = xgboost.train(PARAMETERS | {"seed": seed}, data, N_TREES)
        out_of_fold[fold] = center + spread * booster.inplace_predict(features[fold])
        boosters.append(booster)
    noise = float(np.sqrt(np.mean((target - out_of_fold) ** 2)))
    return Boosters(boosters, center, spread, noise), out_of_fold, np.full(len(target), noise or 1.0)


def complete_trees(booster: xgboost.Booster) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features, thresholds and leaves of an ``xgboost.Booster``, as of a model of :class:`BoostedTrees`."""
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    trees = model["trees"]
    feature = np.zeros((len(trees), 2**MAX_DEPTH - 1), dtype=np.int32)
    threshold = np.full(feature.shape, np.inf, dtype=np.float32)
    leaf = np.zeros((len(trees), 2**MAX_DEPTH), dtype=np.float32)
    for number, tree in enumerate(trees):
        _complete(tree, feature[number], threshold[number], leaf[number])
    return feature, threshold, leaf


def _complete(tree: Mapping[str, Sequence], feature: np.ndarray, threshold: np.ndarray, leaf: np.ndarray) -> None:
    """Write a tree into the arrays of a complete one; a leaf that lies higher is reached by going left from there."""
    left, right = tree["left_children"], tree["right_children"]
    pending = [(0, 0)]  # node of the tree, position in the complete tree
    while pending:
        node, position = pending.pop()
        if left[node] >= 0:
            feature[position], threshold[position] = tree["split_indices"][node], tree["split_conditions"][node]
            pending += [(left[node], 2 * position + 1), (right[node], 2 * position + 2)]
            continue
        while position < len(feature):
            position = 2 * position + 1
        leaf[position - len(feature)] = tree["split_conditions"][node]
