"""Training of networks on labeled examples."""
