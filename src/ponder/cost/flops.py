"""Tokens to floating-point operations."""

from ponder.types import Usage


def flops(parameters: int, usage: Usage) -> float:
    """Forward FLOPs of a usage: 2 a parameter and computed token (Kaplan et al. 2020).

    The attention term, 4 x layers x width x context a token, is left out: a lower bound that is close for short contexts.
    """
    return 2.0 * parameters * usage.computed
