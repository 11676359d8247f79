"""Accuracies and latencies of architectures."""
