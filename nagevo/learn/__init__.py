"""Surrogates of accuracy and latency: fitted to measurements, cheap to ask."""

from __future__ import annotations

from nagevo.learn.adapted import AdaptedLatency, Teachers, adapt_latency
from nagevo.learn.fitting import fit_accuracy, fit_latency
from nagevo.learn.surrogate import AccuracySurrogate, LatencySurrogate

__all__ = [
    "AccuracySurrogate",
    "AdaptedLatency",
    "LatencySurrogate",
    "Teachers",
    "adapt_latency",
    "fit_accuracy",
    "fit_latency",
]
