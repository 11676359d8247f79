"""The MobileNetV3 space of Once-for-All: layers, networks, supernet."""
