"""Surrogates of accuracy and latency: fitted to measurements, cheap to ask."""
