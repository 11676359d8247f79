"""Networks of depthwise-separable convolutions in one or two dimensions, and the weights that they share."""
