"""How sure a share is."""

from math import comb
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


def ahead(first: int, second: int) -> float:
    """The probability that who has `first` of two answers' votes is the likelier one: 1 - I_.5(first + 1, second + 1).

    The Beta posterior under a uniform prior, as a binomial tail: P(Binomial(first + second + 1, 1/2) <= first). Source:
    Aggarwal et al. 2023 (Adaptive-Consistency).
    """
    trials = first + second + 1
    return float(sum(comb(trials, count) for count in range(first + 1)) / (1 << trials))
