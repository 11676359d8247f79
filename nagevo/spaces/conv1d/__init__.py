"""Elastic networks for windows of signals."""
