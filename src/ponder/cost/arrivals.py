"""When queries arrive, in seconds from the beginning: at random, evenly, or as the day goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Times = NDArray[np.float64]


def poisson(rate: float, seconds: float, seed: int = 0) -> Times:
    """A Poisson stream of `rate` queries a second: sorted times of shape (n,)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    times: Times = np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))
    return times


def varying(rate: Callable[[Times], Times], most: float, seconds: float, seed: int = 0) -> Times:
    """A Poisson stream whose rate at a time is `rate(time)`, at most `most`: by thinning."""
    import numpy as np

    times = poisson(most, seconds, seed)
    kept: Times = times[np.random.default_rng([seed, 1]).uniform(0, most, len(times)) < rate(times)]
    return kept


def daily(rate: float, swing: float, seconds: float, seed: int = 0, period: float = 86_400.0) -> Times:
    """A mean `rate` that swings by the part `swing` of it over a period, lowest at the beginning."""
    import numpy as np

    def at(times: Times) -> Times:
        level: Times = rate * (1 - swing * np.cos(2 * np.pi * times / period))
        return level

    return varying(at, rate * (1 + swing), seconds, seed)
