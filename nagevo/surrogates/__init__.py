"""Surrogates of accuracy and latency: fitted to measurements, cheap to ask."""

from __future__ import annotations

from nagevo.surrogates.adapted import AdaptedLatency, Teachers, adapt_latency
from nagevo.surrogates.fitting import fit_accuracy, fit_latency
from nagevo.surrogates.surrogate import AccuracySurrogate, LatencySurrogate

__all__ = [
    "AccuracySurrogate",
    "AdaptedLatency",
    "LatencySurrogate",
    "Teachers",
    "adapt_latency",
    "fit_accuracy",
    "fit_latency",
]
