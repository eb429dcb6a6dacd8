"""How sure a share is."""

from statistics import NormalDist

from ponder.errors import InputError


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion, two-sided: right for small n, and within [0, 1]. Source: Wilson 1927."""
    if not 0 <= successes <= n or n == 0:
        raise InputError(f"{successes} successes of {n} trials is no proportion: give 0 <= successes <= trials, trials >= 1")
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, scale = successes / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * ((rate * (1 - rate) + z * z / (4 * n)) / n) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
