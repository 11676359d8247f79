"""Training of networks on images."""
