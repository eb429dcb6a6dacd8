"""When enough independent samples have been drawn: rules that say, after each sample, whether to stop. Pure functions.

A rule sees samples in the order they were drawn: `classes` numbers equal answers (-1: no answer), `scores` are the verifier's (NaN:
unknown). Entry i of what it returns depends on entries 0 to i alone, so that one evaluation over a whole row of recorded samples
tells where a live run would have ended. All arrays are of shape (n,).
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ponder.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ponder.strategies import Strategy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Rule = Callable[..., "Bools"]

_RIVALS = 5  # the answers that the Dirichlet rule looks at


def beta(classes: Ints, scores: Floats, *, confidence: float = 0.95) -> Bools:  # noqa: ARG001 - a `Rule`
    """Stop when the leader would win the vote with probability >= `confidence`: 1 - I_.5(v1 + 1, v2 + 1), of the votes of the first
    two answers under a uniform prior (Adaptive-Consistency, Aggarwal et al. 2023). Samples without an answer do not vote.
    """
    from scipy.special import betainc

    first, second = _votes(classes, 2).T
    return _sure(first, betainc(second + 1, first + 1, 0.5), confidence)


def dirichlet(classes: Ints, scores: Floats, *, confidence: float = 0.95) -> Bools:  # noqa: ARG001 - a `Rule`
    """Stop when the leader's probability is the greatest of the five first answers' with probability >= `confidence` (as `beta`).

    Under a uniform prior over the answers met (two at least) theirs is a Dirichlet law with v + 1; as ratios of independent gamma
    variables, P(p1 is greatest) = integral of f(x; v1 + 1) prod F(x; vi + 1) dx, by the trapezoidal rule to 1e-6. Departs from the
    authors' code in this integral, which there is a ratio of two Monte Carlo estimates whose answer changes from call to call.
    """
    import numpy as np

    votes = _votes(classes, _RIVALS)
    density, below = _gamma(len(classes))
    rivals = below[np.maximum(votes[:, 1], 0)]
    for place in range(2, _RIVALS):
        met = votes[:, place] > 0
        rivals[met] *= below[votes[met, place]]
    return _sure(votes[:, 0], (density[votes[:, 0]] * rivals).sum(axis=1), confidence)


_BELIEFS: Mapping[str, Rule] = {"beta": beta, "dirichlet": dirichlet}


def confident(classes: Ints, scores: Floats, *, confidence: float = 0.95, rule: str = "beta") -> Bools:
    """`beta` or `dirichlet`, by name. Raises `InputError` for another."""
    if rule not in _BELIEFS:
        raise InputError(f"there is no rule {rule!r} to stop a vote by; there are {', '.join(_BELIEFS)}")
    return _BELIEFS[rule](classes, scores, confidence=confidence)


def window(classes: Ints, scores: Floats, *, window: int = 5) -> Bools:  # noqa: ARG001 - a `Rule`
    """Stop at the end of a window of so many samples that all give the same answer (ESC, Li et al. 2024, 2401.10480).

    Windows follow one another; samples without an answer agree with nothing. Raises `InputError` for a window below 1.
    """
    import numpy as np

    if window < 1:
        raise InputError(f"a window holds 1 sample or more, not {window}")
    whole = classes[: len(classes) // window * window].reshape(-1, window)
    stops = np.zeros(len(classes), bool)
    stops[window - 1 : whole.size : window] = (whole == whole[:, :1]).all(axis=1) & (whole[:, 0] >= 0)
    return stops


def wins(classes: Ints, scores: Floats, *, k: int = 1, threshold: float = 1.0) -> Bools:  # noqa: ARG001 - a `Rule`
    """Stop when `k` samples score `threshold` or more."""
    import numpy as np

    stops: Bools = np.cumsum(scores >= threshold) >= k
    return stops


def reservation(
    classes: Ints,  # noqa: ARG001 - a `Rule`
    scores: Floats,
    *,
    cost: float = 0.02,
    law: str = "any",
    confidence: float = 0.9,
) -> Bools:
    """Stop when the best score reaches its reservation value z: E[(X - z)+] = `cost`, what a sample costs in units of score
    (Pandora's box, Weitzman 1979; for generations Kalayci et al. 2025, 2510.01394).

    `law` is what is known of scores: "uniform", "normal" with the mean and deviation of those so far, or "any" (`reserve`). The
    paper bounds the value of exponential tails; scores in [0, 1] have none, and the bound taken here assumes no law at all. Samples
    without a score are passed over. Raises `InputError` for another law, or a cost or confidence that means nothing.
    """
    import numpy as np

    if law not in ("uniform", "normal", "any") or not cost > 0 or not 0 < confidence < 1:
        raise InputError(
            f"a reservation value wants a law (uniform, normal, any), a cost above 0 and a confidence between 0 and 1; "
            f"they are {law!r}, {cost!r} and {confidence!r}"
        )
    drawn = np.cumsum(~np.isnan(scores))
    best = np.maximum.accumulate(np.nan_to_num(scores, nan=-1.0))
    if law == "uniform":
        value = np.full(len(scores), reserve_uniform(cost))
    elif law == "normal":
        value = np.minimum(reserve_normal(cost, *_moments(scores, drawn)), 1.0)
    else:
        value = reserve(cost, drawn, confidence)
    stops: Bools = (best >= value) & (drawn > 0)
    return stops


def reserve_uniform(cost: float) -> float:
    """The reservation value of a sample whose score is uniform in [0, 1]: 1 - sqrt(2 cost), or 1/2 - cost where that is below 0."""
    return 1 - math.sqrt(2 * cost) if cost <= 0.5 else 0.5 - cost


def reserve_normal(cost: float, mean: Floats, deviation: Floats) -> Floats:
    """The reservation values z of normal laws: deviation L((z - mean) / deviation) = cost, L(u) = phi(u) - u (1 - Phi(u)).

    By Newton's method, which climbs to the root of a convex function from its left. NaN where the law is unknown.
    """
    import numpy as np
    from scipy.special import ndtr

    spread = np.maximum(deviation, 1e-9)
    u = -cost / spread
    for _ in range(20):
        above = ndtr(-u)
        u = u + (np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) - u * above - cost / spread) / above
    return mean + spread * u


def reserve(cost: float, drawn: Ints, confidence: float) -> Floats:
    """A value that is at least the reservation value of the best of so many scores, whatever their law in [0, 1].

    A further score exceeds the best of i by chance s with P(s > t) <= (1 - t)^i, so that with `confidence`, at each i,
    E[(X - best)+] <= (1 - best) (1 - (1 - confidence)^(1/i)). With no score yet it is infinite.
    """
    import numpy as np

    exceeded = -np.expm1(math.log1p(-confidence) / np.maximum(drawn, 1))
    return np.where(drawn > 0, 1 - cost / exceeded, np.inf)


def _moments(scores: Floats, drawn: Ints) -> tuple[Floats, Floats]:
    """The mean and the deviation of the scores so far; NaN for fewer than two."""
    import numpy as np

    known = np.nan_to_num(scores)
    mean = np.cumsum(known) / np.maximum(drawn, 1)
    squares = np.cumsum(known**2) - drawn * mean**2
    freedom = np.where(drawn > 1, drawn - 1, np.nan)
    return mean, np.sqrt(np.maximum(squares, 0) / freedom)


def expected_samples(probabilities: Iterable[float], *, window: int = 5, n: int = 40) -> float:
    """How many of at most `n` samples `window` draws in the mean, if answers have these probabilities (ESC, its control scheme).

    With q = sum p^w the chance that a window is unanimous and m = n / w windows, w sum_{i < m} (1 - q)^i. `n` is a multiple of
    `window`. Answers that the probabilities leave out are taken to be all different.
    """
    unanimous = sum(share**window for share in probabilities)
    return window * sum((1 - unanimous) ** number for number in range(n // window))


def stops(strategy: Strategy, parameters: Mapping[str, Any], classes: Ints, scores: Floats) -> int:
    """How many of these samples a strategy with a `rule` draws one at a time, with `parameters` over its defaults; at most its `n`.

    A live run leaves failed draws out; in a row of recorded ones they count as samples without an answer.
    """
    import numpy as np

    assert strategy.rule is not None
    settings = dict(_defaults(strategy)) | {name: value for name, value in parameters.items() if name in _defaults(strategy)}
    n = min(settings.pop("n"), len(classes))
    ends = np.flatnonzero(strategy.rule(classes[:n], scores[:n], **settings))
    return int(ends[0]) + 1 if ends.size else n


@functools.cache
def _defaults(strategy: Strategy) -> Mapping[str, Any]:
    """The strategy's `n` and those of its parameters that its rule takes."""
    assert strategy.rule is not None
    taken = {"n", *inspect.signature(strategy.rule).parameters}
    return {name: one.default for name, one in strategy.parameters.items() if name in taken}


def _votes(classes: Ints, places: int) -> Ints:
    """The votes of the first so many answers after each sample, the most first: (n, places)."""
    import numpy as np

    answers = np.arange(max(classes.max(initial=-1) + 1, places))
    counts = np.cumsum(classes[:, None] == answers, axis=0)
    return np.partition(counts, range(len(answers) - places, len(answers)), axis=1)[:, : -places - 1 : -1]


def _sure(leader: Ints, probability: Floats, confidence: float) -> Bools:
    """The tolerance lets a probability that is the confidence itself pass, however it was rounded or integrated."""
    stops: Bools = (probability >= confidence - 1e-6) & (leader > 0)
    return stops


@functools.lru_cache(maxsize=8)
def _gamma(n: int) -> tuple[Floats, Floats]:
    """Of gamma laws with shape v + 1, v = 0 to n: the density times the step, and the distribution, over a grid: (n + 1, points).

    The grid is even in the root of x, where every gamma law is nearly normal with deviation 1/2.
    """
    import numpy as np
    from scipy.special import gammainc, gammaln

    step = 0.2
    root = np.arange(step, np.sqrt(n + 1) + 5, step)
    shape = np.arange(n + 1)[:, None] + 1
    density = np.exp((2 * shape - 1) * np.log(root) - root**2 - gammaln(shape)) * 2 * step
    return density, gammainc(shape, root**2)
