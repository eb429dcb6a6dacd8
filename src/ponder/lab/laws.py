"""How accuracy grows with samples: a law fitted to a curve, judged by the part of the curve that it has not seen.

The exponentiated power law c = exp(a k^b) describes coverage over orders of magnitude (Brown et al. 2024); the log-linear law
c = a + b ln k is the alternative it has to beat. Both are fitted by least squares on c itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ponder.lab.statistics import Floats

Law = Callable[[Floats, float, float], Floats]


def exponentiated_power(k: Floats, a: float, b: float) -> Floats:
    """exp(a k^b): for a < 0, b < 0 it rises from exp(a) at one sample towards 1. Source: https://arxiv.org/abs/2407.21787, §3."""
    values: Floats = np.exp(a * np.power(k, b))
    return values


def log_linear(k: Floats, a: float, b: float) -> Floats:
    """a + b ln k: the same gain for every doubling. It has no limit, so it must fail somewhere."""
    return a + b * np.log(k)


LAWS: dict[str, Law] = {"exponentiated-power": exponentiated_power, "log-linear": log_linear}


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted law, or the reason why there is none (then the numbers are None).

    `error` is the mean absolute error over the fitted ks, in the curve's unit (1 = 100 %). `a_interval` and `b_interval` hold the
    constants of refits on resampled problems (None: one curve was given, not problems). `fitted_to` is the largest k of the smaller
    half; fitted on that half alone, the law misses the others by `heldout_error` on average.
    """

    law: str
    a: float | None = None
    b: float | None = None
    error: float | None = None
    a_interval: tuple[float, float] | None = None
    b_interval: tuple[float, float] | None = None
    fitted_to: int | None = None
    heldout_error: float | None = None
    reason: str | None = None

    def predict(self, k: float) -> float | None:
        """The law's value at k samples; None without a fit."""
        if self.a is None or self.b is None:
            return None
        return float(LAWS[self.law](np.array([float(k)]), self.a, self.b)[0])


def fit(
    ks: Sequence[int], curves: ArrayLike, law: str = "exponentiated-power", level: float = 0.95, resamples: int = 200, seed: int = 0
) -> Fit:
    """Fit `law` to the mean of `curves`, (problems, ks) in [0, 1]; a single curve (ks) is fitted without intervals.

    A curve that is 0 or 1 throughout, or has fewer than three points, fits every law: the result then carries only a reason.
    """
    sizes, rows = np.asarray(ks, float), np.atleast_2d(np.asarray(curves, float))
    curve = rows.mean(axis=0)
    if reason := _degenerate(curve):
        return Fit(law, reason=reason)
    constants = _least_squares(law, sizes, curve)
    if constants is None:
        return Fit(law, reason="the least-squares search did not converge on this curve")
    misses = np.abs(LAWS[law](sizes, *constants) - curve)
    found = Fit(law, *constants, error=float(misses.mean()))
    return _with_intervals(_with_heldout(found, sizes, curve), sizes, rows, level, resamples, seed)


def _degenerate(curve: Floats) -> str | None:
    if curve.size < 3:
        return f"{curve.size} points cannot tell a law from another: measure at least 3 values of k"
    if np.all(curve <= 0):
        return "no problem was ever solved: there is no growth to fit"
    if np.all(curve >= 1):
        return "every problem was always solved: there is no growth to fit"
    return None


def _least_squares(law: str, ks: Floats, curve: Floats) -> tuple[float, float] | None:
    """Constants (a, b), or None where the search fails. Starts from the straight line of the law's linear form."""
    from scipy.optimize import least_squares

    if law == "log-linear":
        slope, level = np.polyfit(np.log(ks), curve, 1)
        return float(level), float(slope)
    inside = np.clip(curve, 1e-6, 1 - 1e-6)
    slope, level = np.polyfit(np.log(ks), np.log(-np.log(inside)), 1)
    with np.errstate(over="ignore"):
        search = least_squares(lambda x: LAWS[law](ks, x[0], x[1]) - curve, (-np.exp(level), slope), max_nfev=500)
    if not search.success or not np.all(np.isfinite(search.x)):
        return None
    return float(search.x[0]), float(search.x[1])


def _with_heldout(found: Fit, ks: Floats, curve: Floats) -> Fit:
    half = (ks.size + 1) // 2
    if _degenerate(curve[:half]):
        return found
    constants = _least_squares(found.law, ks[:half], curve[:half])
    if constants is None:
        return found
    misses = np.abs(LAWS[found.law](ks[half:], *constants) - curve[half:])
    return replace(found, fitted_to=int(ks[half - 1]), heldout_error=float(misses.mean()))


def _with_intervals(found: Fit, ks: Floats, rows: Floats, level: float, resamples: int, seed: int) -> Fit:
    """Percentiles of the constants over refits; a resample that cannot be fitted is left out, most of them failing gives None."""
    problems = len(rows)
    if problems < 2:
        return found
    counts = np.random.default_rng(seed).multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    refits = [_least_squares(found.law, ks, curve) for curve in counts @ rows / problems if not _degenerate(curve)]
    constants = np.array([constant for constant in refits if constant is not None])
    if len(constants) < resamples / 2:
        return found
    low, high = np.quantile(constants, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return replace(found, a_interval=(float(low[0]), float(high[0])), b_interval=(float(low[1]), float(high[1])))
