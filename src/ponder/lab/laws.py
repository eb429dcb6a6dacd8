"""How accuracy grows with samples: laws fitted to a curve, judged by the part of the curve that they have not seen.

Each law is a function of k (samples; any unit of compute will do) with two or three constants, fitted by least squares on accuracy
itself. `compared` fits several, chooses one by its error beyond what it was fitted to, and says so where the data cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ponder.lab.intervals import paired_interval, resampled
from ponder.lab.statistics import Floats

Growth = Literal["growing", "stopped", "falling", "unknown"]

_STEPS, _NEAR_STEPS = 60, 12  # of the descent, and of one that begins near its end
_SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class Law:
    """`value(k, constants)` with constants (…, m) broadcasts over curves; the other two turn constants into free numbers and back.

    `starts(ks, curve)` are constants to begin the descent from. `limit` is where the law ends: a number, or "free" where it is a
    constant of the law, or None where it has no end.
    """

    value: Callable[[Floats, Floats], Floats]
    free: Callable[[Floats], Floats]
    bound: Callable[[Floats], Floats]
    starts: Callable[[Floats, Floats], Floats]
    limit: float | Literal["free"] | None


def exponentiated_power(k: Floats, constants: Floats) -> Floats:
    """exp(a k^b): for a < 0, b < 0 it rises from exp(a) at one sample towards 1. Source: https://arxiv.org/abs/2407.21787, §3."""
    a, b = constants[..., 0, None], constants[..., 1, None]
    values: Floats = np.exp(a * np.power(k, b))
    return values


def beta_mixture(k: Floats, constants: Floats) -> Floats:
    """1 - B(a, b + k) / B(a, b): some sample of k is right, where problems' rates are Beta(a, b).

    Each problem alone fails exponentially; rates with a heavy tail near 0 make it the power k^-a. Source:
    https://arxiv.org/abs/2502.17578.
    """
    from scipy.special import gammaln

    a, b = constants[..., 0, None], constants[..., 1, None]
    values: Floats = -np.expm1(gammaln(b + k) - gammaln(a + b + k) - gammaln(b) + gammaln(a + b))
    return values


def saturation(k: Floats, constants: Floats) -> Floats:
    """c - (c - a) k^-b: from a at one sample to the limit c, which a vote or a fallible verifier has below 1 (or below a)."""
    a, b, c = constants[..., 0, None], constants[..., 1, None], constants[..., 2, None]
    return c - (c - a) * np.power(k, -b)


def log_odds(k: Floats, constants: Floats) -> Floats:
    """1 / (1 + e^-(a + b ln k)): log-odds that grow with the logarithm, the usual law of accuracy against FLOPs."""
    a, b = constants[..., 0, None], constants[..., 1, None]
    values: Floats = 1 / (1 + np.exp(-np.clip(a + b * np.log(k), -700, 700)))
    return values


def log_linear(k: Floats, constants: Floats) -> Floats:
    """a + b ln k: the same gain for every doubling. It has no limit, so it must fail somewhere."""
    return constants[..., 0, None] + constants[..., 1, None] * np.log(k)


def _same(constants: Floats) -> Floats:
    return constants


def _logs(constants: Floats) -> Floats:
    return np.log(constants)


def _exps(numbers: Floats) -> Floats:
    values: Floats = np.exp(np.clip(numbers, -30, 30))
    return values


def _negative(constants: Floats) -> Floats:
    return np.stack([np.log(-constants[..., 0]), constants[..., 1]], axis=-1)


def _negated(numbers: Floats) -> Floats:
    return np.stack([-np.exp(np.clip(numbers[..., 0], -30, 30)), numbers[..., 1]], axis=-1)


def _unit(constants: Floats) -> Floats:
    a, b, c = (constants[..., place] for place in range(3))
    return np.stack([np.log(a / (1 - a)), np.log(b), np.log(c / (1 - c))], axis=-1)


def _inside(numbers: Floats) -> Floats:
    a, b, c = (np.clip(numbers[..., place], -30, 30) for place in range(3))
    return np.stack([1 / (1 + np.exp(-a)), np.exp(np.clip(b, -8, 4)), 1 / (1 + np.exp(-c))], axis=-1)


def _line(x: Floats, y: Floats) -> Floats:
    """Constants (level, slope) of the straight line, for every row of y."""
    slope, level = np.polyfit(x, y.T, 1)
    return np.stack([level, slope], axis=-1)


def _power_starts(ks: Floats, curves: Floats) -> Floats:
    line = _line(np.log(ks), np.log(-np.log(np.clip(curves, _SMALL, 1 - _SMALL))))
    return np.stack([-np.exp(line[..., 0]), line[..., 1]], axis=-1)[None]


def _beta_starts(_ks: Floats, curves: Floats) -> Floats:
    mean = np.clip(curves[..., 0], 1e-4, 1 - 1e-4)
    return np.stack([np.stack([mean * size, (1 - mean) * size], axis=-1) for size in (0.3, 1.0, 10.0)])


def _saturation_starts(_ks: Floats, curves: Floats) -> Floats:
    first, last = (np.clip(curves[..., place], 0.005, 0.995) for place in (0, -1))
    further = np.clip(last + (last - first), 0.005, 0.995)
    ends = [(end, rate) for end in (last, further) for rate in (0.3, 1.0)]
    return np.stack([np.stack([first, np.full_like(first, rate), end], axis=-1) for end, rate in ends])


def _odds_starts(ks: Floats, curves: Floats) -> Floats:
    inside = np.clip(curves, _SMALL, 1 - _SMALL)
    return _line(np.log(ks), np.log(inside / (1 - inside)))[None]


def _line_starts(ks: Floats, curves: Floats) -> Floats:
    return _line(np.log(ks), curves)[None]


LAWS: dict[str, Law] = {
    "exponentiated-power": Law(exponentiated_power, _negative, _negated, _power_starts, 1.0),
    "beta-mixture": Law(beta_mixture, _logs, _exps, _beta_starts, 1.0),
    "saturation": Law(saturation, _unit, _inside, _saturation_starts, "free"),
    "log-odds": Law(log_odds, _same, _same, _odds_starts, 1.0),
    "log-linear": Law(log_linear, _same, _same, _line_starts, None),
}

COVERAGE = ("exponentiated-power", "beta-mixture", "log-linear")
"""Laws for `pass@k`, which goes to 1 if every problem can be solved at all."""

SELECTED = ("saturation", "exponentiated-power", "log-linear")
"""Laws for what a vote or a verifier selects."""

COMPUTE = ("log-odds", "saturation", "log-linear")
"""Laws for accuracy against FLOPs."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted law, or the reason why there is none (then the numbers are None).

    `error` is the mean absolute error over the fitted ks, in the curve's unit (1 = 100 %). `limit` is where the law ends for many
    samples (None: nowhere). The intervals hold the constants of refits on resampled problems (None: one curve was given, not
    problems). `fitted_to` is the largest k of the smaller half; fitted on that half alone, the law misses the others by
    `heldout_error` on average. `chosen` is set by `compared`.
    """

    law: str
    a: float | None = None
    b: float | None = None
    error: float | None = None
    a_interval: tuple[float, float] | None = None
    b_interval: tuple[float, float] | None = None
    fitted_to: float | None = None
    heldout_error: float | None = None
    reason: str | None = None
    limit: float | None = None
    limit_interval: tuple[float, float] | None = None
    chosen: bool = False

    def predict(self, k: float) -> float | None:
        """The law's value at k samples; None without a fit."""
        if self.a is None or self.b is None:
            return None
        constants = [self.a, self.b] + ([self.limit] if LAWS[self.law].limit == "free" and self.limit is not None else [])
        return float(LAWS[self.law].value(np.array([float(k)]), np.array(constants))[0])

    def reaches(self, accuracy: float, most: float = 1e9) -> float | None:
        """The fewest samples at which the law is at `accuracy`; None where it is not there by `most`."""
        from scipy.optimize import brentq

        ends = self.predict(1.0), self.predict(most)
        if ends[0] is None or ends[1] is None or ends[1] < accuracy:
            return None
        if ends[0] >= accuracy:
            return 1.0
        return float(np.exp(brentq(lambda x: (self.predict(float(np.exp(x))) or 0.0) - accuracy, 0.0, np.log(most))))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Laws fitted to one curve. `warning` says where the data cannot tell the chosen one from others.

    `growth` says what the last doubling of k did: `growing` (its gain's 95 % interval is above 0), `stopped` (below half a point),
    `falling` (below 0), else `unknown`; `gain` is that interval.
    """

    fits: tuple[Fit, ...]
    warning: str | None
    growth: Growth
    gain: tuple[float, float] | None

    @property
    def best(self) -> Fit | None:
        """The chosen law."""
        return next((one for one in self.fits if one.chosen), None)


def fit(
    ks: Sequence[float],
    curves: ArrayLike,
    law: str = "exponentiated-power",
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> Fit:
    """Fit `law` to the mean of `curves`, (problems, ks) in [0, 1]; a single curve (ks) is fitted without intervals.

    A curve that is 0 or 1 throughout, or has fewer than three points, fits every law: the result then carries only a reason.
    """
    sizes, rows = np.asarray(ks, float), np.atleast_2d(np.asarray(curves, float))
    curve = rows.mean(axis=0)
    if reason := _degenerate(curve):
        return Fit(law, reason=reason)
    constants = _least_squares(law, sizes, curve[None])[0]
    if not np.all(np.isfinite(constants)):
        return Fit(law, reason="the least-squares search did not converge on this curve")
    misses = np.abs(LAWS[law].value(sizes, constants) - curve)
    found = Fit(law, float(constants[0]), float(constants[1]), error=float(misses.mean()), limit=_limit(law, constants))
    found = _with_heldout(found, sizes, curve)
    means = _resampled(rows, resamples, seed)
    return found if means is None else _with_intervals(found, sizes, means, level, constants)


def compared(
    ks: Sequence[float], curves: ArrayLike, laws: Sequence[str] = COVERAGE, level: float = 0.95, resamples: int = 200, seed: int = 0
) -> Comparison:
    """Fit each of `laws`, and choose the one that misses the larger half of the ks least after a fit on the smaller half.

    Resampled problems say whether the choice is one: laws that win in more than 5 % of the resamples are named in the warning.
    """
    sizes, rows = np.asarray(ks, float), np.atleast_2d(np.asarray(curves, float))
    fits = [fit(ks, curves, law, level, resamples, seed) for law in laws]
    growth, gain = _growth(sizes, rows, level)
    judged = [one for one in fits if one.heldout_error is not None]
    if not judged:
        return Comparison(tuple(fits), None, growth, gain)
    best = min(judged, key=lambda one: one.heldout_error or 0.0)
    return Comparison(
        tuple(replace(one, chosen=one is best) for one in fits), _warning(best, judged, sizes, rows, resamples, seed), growth, gain
    )


def table(strategy: str, quantity: str, ks: Sequence[float], curves: ArrayLike, laws: Sequence[str]) -> list[dict[str, Any]]:
    """The comparison as the rows that `ponder scale` and `ponder analyse` print, a law each."""
    found = compared(ks, curves, laws)
    shared = {"warning": found.warning, "growth": found.growth, "gain": found.gain}
    return [{"strategy": strategy, "quantity": quantity, **asdict(one), **shared} for one in found.fits]


def _warning(best: Fit, judged: Sequence[Fit], ks: Floats, rows: Floats, resamples: int, seed: int) -> str | None:
    if len(judged) < 2:
        return None
    if ks.size < 6:
        return f"{ks.size} points leave {ks.size // 2} to judge the laws by: measure at more values of k before extrapolating"
    means = _resampled(rows, resamples, seed)
    if means is None:
        return None
    half = (ks.size + 1) // 2
    misses = np.array([_misses(one.law, ks, means, half) for one in judged])
    wins = np.bincount(np.argmin(misses, axis=0), minlength=len(judged)) / misses.shape[1]
    rivals = [f"{one.law} ({share:.0%})" for one, share in zip(judged, wins, strict=True) if one is not best and share > 0.05]
    if not rivals:
        return None
    return f"the data cannot tell {best.law} from {', '.join(rivals)}: so often those predict better on resampled problems"


def _misses(law: str, ks: Floats, means: Floats, half: int) -> Floats:
    """Each resample's mean error on the larger half after a fit on the smaller."""
    middle = _least_squares(law, ks[:half], means[:, :half].mean(axis=0, keepdims=True))
    near = middle[0] if len(means) > 1 and np.all(np.isfinite(middle)) else None
    constants = _least_squares(law, ks[:half], means[:, :half], near)
    misses: Floats = np.abs(LAWS[law].value(ks[half:], constants) - means[:, half:]).mean(axis=1)
    return np.where(np.isfinite(misses), misses, np.inf)


def _growth(ks: Floats, rows: Floats, level: float) -> tuple[Growth, tuple[float, float] | None]:
    """What the last doubling of k (or more, where the ks are far apart) did to the accuracy."""
    earlier = np.flatnonzero(ks <= ks[-1] / 2)
    if len(rows) < 2 or not earlier.size:
        return "unknown", None
    low, high = (float(end[0]) for end in paired_interval(rows[:, -1:], rows[:, earlier[-1:]], level))
    growth: Growth = "growing" if low > 0 else "falling" if high < 0 else "stopped" if high < 0.005 else "unknown"
    return growth, (low, high)


def _degenerate(curve: Floats) -> str | None:
    if curve.size < 3:
        return f"{curve.size} points cannot tell a law from another: measure at least 3 values of k"
    if np.all(curve <= 0):
        return "no problem was ever solved: there is no growth to fit"
    if np.all(curve >= 1):
        return "every problem was always solved: there is no growth to fit"
    return None


def _limit(law: str, constants: Floats) -> float | None:
    limit = LAWS[law].limit
    if limit == "free":
        return float(constants[2])
    return limit if limit is None or constants[0] < 0 or law != "exponentiated-power" else None


def _with_heldout(found: Fit, ks: Floats, curve: Floats) -> Fit:
    half = (ks.size + 1) // 2
    if _degenerate(curve[:half]):
        return found
    misses = _misses(found.law, ks, curve[None], half)[0]
    return replace(found, fitted_to=float(ks[half - 1]), heldout_error=float(misses)) if np.isfinite(misses) else found


def _with_intervals(found: Fit, ks: Floats, means: Floats, level: float, near: Floats) -> Fit:
    """Percentiles of the constants over refits; a resample that cannot be fitted is left out, most of them failing gives None."""
    usable = np.array([curve for curve in means if not _degenerate(curve)])
    if len(usable) < len(means) / 2:
        return found
    constants = _least_squares(found.law, ks, usable, near)
    constants = constants[np.all(np.isfinite(constants), axis=1)]
    if len(constants) < len(means) / 2:
        return found
    low, high = np.quantile(constants, [(1 - level) / 2, (1 + level) / 2], axis=0)
    ends = [(float(one), float(other)) for one, other in zip(low, high, strict=True)]
    return replace(found, a_interval=ends[0], b_interval=ends[1], limit_interval=ends[2] if len(ends) > 2 else None)


def _resampled(rows: Floats, resamples: int, seed: int) -> Floats | None:
    return resampled(rows, resamples, seed) if len(rows) > 1 else None


def _least_squares(law: str, ks: Floats, curves: Floats, near: Floats | None = None) -> Floats:
    """Constants (curves, m) by Levenberg and Marquardt's descent, all curves at once, from constants `near` or the best start.

    NaN where the descent fails.
    """
    form = LAWS[law]
    if law == "log-linear":
        line: Floats = form.starts(ks, curves)[0]
        return line
    starts = form.starts(ks, curves) if near is None else np.tile(near, (1, len(curves), 1))
    found = [_descended(form, ks, curves, start, _STEPS if near is None else _NEAR_STEPS) for start in starts]
    best = np.argmin([losses for _, losses in found], axis=0)
    constants: Floats = np.array([each for each, _ in found])[best, np.arange(len(curves))]
    return constants


def _descended(form: Law, ks: Floats, curves: Floats, start: Floats, steps: int) -> tuple[Floats, Floats]:
    """The constants at the end of the descent from `start` (curves, m), and the sums of squares there (inf: it failed)."""

    def loss(x: Floats) -> tuple[Floats, Floats]:
        misses = form.value(ks, form.bound(x)) - curves
        return misses, np.nan_to_num((misses**2).sum(axis=1), nan=np.inf)

    with np.errstate(all="ignore"):
        x = form.free(start)
        damping, eye = np.full(len(x), 1e-3), np.eye(x.shape[1])
        misses, losses = loss(x)
        for _ in range(steps):
            columns = [(form.value(ks, form.bound(x + 1e-7 * step)) - curves - misses) / 1e-7 for step in eye]
            slopes = np.nan_to_num(np.stack(columns, axis=-1))
            square = np.einsum("ckm,ckn->cmn", slopes, slopes)
            pull = np.einsum("ckm,ck->cm", slopes, np.nan_to_num(misses))
            scale = square * eye * damping[:, None, None] + 1e-14 * eye
            tried = x - np.linalg.solve(square + scale, pull[..., None])[..., 0]
            new_misses, new_losses = loss(tried)
            better = new_losses <= losses
            gained = losses - np.where(better, new_losses, losses)
            moved = np.where(better, np.abs(tried - x).max(axis=1), 0.0)
            x, misses = np.where(better[:, None], tried, x), np.where(better[:, None], new_misses, misses)
            losses, damping = np.where(better, new_losses, losses), np.clip(damping * np.where(better, 0.3, 4.0), 1e-12, 1e12)
            if np.all((gained <= 1e-12 * losses) & (moved < 1e-7) & (better | (damping >= 1e11))):
                break
    return form.bound(x), np.where(np.all(np.isfinite(x), axis=1), losses, np.inf)
