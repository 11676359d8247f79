"""The promises of every search space and every strategy, as checks that a test of one's own class calls.

>>> from nagevo.spaces import create_space
>>> check_space(create_space("nasbench201"))
>>> check_strategy("random")
"""

from nagevo.testing.spaces import CHECKS, check_space
from nagevo.testing.strategies import ROUNDS, STRATEGY_CHECKS, LadderSpace, check_strategy

__all__ = ["CHECKS", "ROUNDS", "STRATEGY_CHECKS", "LadderSpace", "check_space", "check_strategy"]
