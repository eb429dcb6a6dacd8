"""The rules by which a search spends its draws: pure functions, shared by every strategy that grows paths or trees.

Weights need not add up to 1. Where all of them are 0 there is nothing to prefer, and they count as equal.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, exp, fsum, inf, log
from random import Random

_HALVINGS = 60  # of the interval in which `tempered` seeks its temperature: more than a float can tell apart


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """exp(logit / temperature), divided by its sum. A logit of -inf has the weight 0; `temperature` > 0 may be infinite."""
    top = max(logits)
    if top == -inf:
        return [1 / len(logits)] * len(logits)
    weights = [0.0 if logit == -inf else exp((logit - top) / temperature) for logit in logits]
    total = fsum(weights)
    return [weight / total for weight in weights]


def entropy(weights: Sequence[float]) -> float:
    """-sum p ln p / ln N, in [0, 1]: 1 where all N weights are equal, 0 where one has all. A single weight has 1."""
    if len(weights) < 2:
        return 1.0
    total = fsum(weights) or 1.0
    return -fsum(weight / total * log(weight / total) for weight in weights if weight > 0) / log(len(weights))


def effective(weights: Sequence[float]) -> float:
    """The effective sample size (sum w)^2 / sum w^2, in [1, N]; N where all are 0."""
    squares = fsum(weight * weight for weight in weights)
    return fsum(weights) ** 2 / squares if squares else float(len(weights))


def tempered(logits: Sequence[float], temperature: float, least: float) -> list[float]:
    """The softmax at the lowest temperature >= `temperature` at which the entropy is at least `least` (entropic annealing, ePF).

    Where logits of -inf put `least` out of reach, the others become equal.
    """
    if entropy(softmax(logits, temperature)) >= least:
        return softmax(logits, temperature)
    cold, hot = 0.0, 1 / temperature  # in units of 1/temperature: the entropy falls from `cold` to `hot`
    for _ in range(_HALVINGS):
        middle = (cold + hot) / 2
        cold, hot = (middle, hot) if entropy(softmax(logits, 1 / middle)) >= least else (cold, middle)
    return softmax(logits, 1 / cold if cold else inf)


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in proportion to `weights`, in whole numbers that add up to it (largest remainders; ties go to the earlier).

    Exact rational arithmetic: rounding up in floating point gives [.5, .5, .5] 17 places of 16.
    """
    exact = [Fraction(weight) for weight in weights]
    whole = sum(exact)
    quotas = [total * weight / whole if whole else Fraction(total, len(exact)) for weight in exact]
    parts = [quota.numerator // quota.denominator for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: parts[i] - quotas[i])
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def top(worth: Sequence[float | tuple[float, ...]], count: int) -> list[int]:
    """The places of the `count` greatest, the greatest first; ties go to the earlier."""
    return sorted(range(len(worth)), key=lambda place: worth[place], reverse=True)[:count]


def multinomial(n: int, weights: Sequence[float], rng: Random) -> list[int]:
    """How many of `n` independent draws fall on each weight: n w on average."""
    drawn = Counter(rng.choices(range(len(weights)), weights if any(weights) else None, k=n))
    return [drawn[i] for i in range(len(weights))]


def systematic(n: int, weights: Sequence[float], rng: Random) -> list[int]:
    """`n` equally spaced points with one random offset: each weight gets n w rounded down or up, and n w on average."""
    weights = weights if any(weights) else [1.0] * len(weights)
    offset, total, below, parts = rng.random(), fsum(weights), 0, list[int]()
    for i in range(len(weights)):
        reached = n if i == len(weights) - 1 else min(n, ceil(n * fsum(weights[: i + 1]) / total - offset))
        parts.append(reached - below)
        below = reached
    return parts
