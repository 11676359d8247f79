"""Metrics of answers and of searches."""
