"""Files of an experiment that several commands read."""

EVALUATION = "an evaluation of this nagevo"
"""What messages call a file written by ``nagevo step evaluate``."""
VALIDATION = "validate_supernet.csv"
"""Table that the rule ``validate_supernet`` writes beside a bundle."""
