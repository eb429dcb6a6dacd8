"""Joules a token and watt-hours a query, from a stated power. Without one they are unknown: nothing is measured here."""

from __future__ import annotations

LOAD = 0.7
"""What a node draws while it serves, of what it draws at most (arXiv 2509.20241, its P_node)."""

NODE = 11.3e3
"""Watts at most of a node of eight H100 (the same)."""

PUE = 1.2
"""What the building draws for each watt of computing: 1.05 to 1.4 in the same source."""


def per_token(watts: float, step: float, batch: float) -> float:
    """Joules a token: a step of so many seconds gives each of `batch` streams one."""
    return watts * step / batch


def per_query(node: float, tokens: float, rate: float, pue: float = PUE) -> float:
    """Watt-hours of a query: PUE x P[kW] x L / (3.6 x tokens/s), for a node of so many watts at `rate` tokens a second."""
    return pue * node / 1e3 * tokens / (3.6 * rate)
