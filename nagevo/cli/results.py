"""Files of an experiment that several commands read."""

EVALUATION = "an evaluation of this nagevo"
"""Name, in error messages, of a file written by ``nagevo step evaluate``."""
VALIDATION = "validate_supernet.csv"
"""Table that the rule ``validate_supernet`` writes beside a bundle."""
