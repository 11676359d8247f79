"""The accuracy that is expected of a network, from its accuracy and its cross-entropy on the same examples.

The cross-entropy distinguishes networks whose accuracies on few examples are equal: it depends on every example, and
not only on those near the border to another class.

References
----------
Fay and Herriot 1979, "Estimates of Income for Small Places: An Application of James-Stein Procedures to Census Data":
readings with known errors are shrunk towards a regression on other variables, the more the noisier they are.
"""

from __future__ import annotations

import numpy as np

MIN_READINGS = 20
"""Minimum number of readings that the regression is fitted to."""
DEGREE = 2
"""Degree of the polynomial in the logarithm of the cross-entropy."""
STEPS = 5
UNEXPLAINED = 1 / 3
"""Share of the variance of a reading that the cross-entropy of the same examples does not explain: the loss of an
example has a correlation of about 0.8 with whether it is right."""


def expected_accuracy(
    accuracy: np.ndarray, standard_error: np.ndarray, cross_entropy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected accuracies and their standard errors, in percent, both of shape (n,).

    The standard errors are those of differences between networks on the same examples.

    The logarithm of the error is regressed on the cross-entropy over all networks. Each network's is the mean of what
    was read and what the regression says, weighted by their precisions: how far readings lie off it by chance, and how
    far networks do.

    Parameters
    ----------
    accuracy, standard_error : ndarray, shape (n,)
        Percent; NaN where unknown.
    cross_entropy : ndarray, shape (n,)
        Nats. Where it, or the standard error, is unknown, and with fewer than :data:`MIN_READINGS` known ones,
        accuracy and standard error are returned as they are.
    """
    known = np.isfinite(accuracy) & (standard_error > 0) & (cross_entropy > 0)
    if known.sum() < MIN_READINGS:
        return accuracy, standard_error
    error = np.maximum(100.0 - accuracy[known], standard_error[known])
    read, variance = np.log(error), UNEXPLAINED * (standard_error[known] / error) ** 2
    basis = np.vander(np.log(cross_entropy[known]), DEGREE + 1)
    beyond = 0.0
    for _ in range(STEPS):
        weights = 1 / (variance + beyond)
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(basis * root[:, None], read * root, rcond=None)[0]
        regressed = basis @ coefficients
        beyond = max(0.0, float(np.average((read - regressed) ** 2 - variance, weights=weights)))
    share = beyond / (beyond + variance)  # of what was read
    doubt = ((basis @ np.linalg.pinv(basis.T * weights @ basis)) * basis).sum(axis=1)  # variance of the regression
    combined = np.exp(share * read + (1 - share) * regressed)
    expected, expected_error = accuracy.copy(), standard_error.copy()
    expected[known] = np.clip(100.0 - combined, 0.0, 100.0)
    expected_error[known] = np.sqrt(share * variance + (1 - share) ** 2 * doubt) * combined
    return expected, expected_error
