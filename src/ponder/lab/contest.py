"""Ratings from contests among people, as CodeElo computes them (Quan et al. 2025, arXiv 2501.01257).

A contest gives the rank that its score would have had among the participants, and the rating r at which that rank is expected:
m = 1 + Σ 1 / (1 + 10^((r - R_i) / 400)) over their ratings R_i. A rating is the mean over contests. Two faults of the published
code are mended: its rank is the place in a list that starts at 0, one too good, so that to win is to be expected to do better than
winning; and where it means the handles that stand in both lists (`&`) it takes those of the second (`and`).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean

from ponder.errors import InputError

CEILING = 100.0
"""How much above the best participant a rating may be: who solves all is the best there, and it is not known how good."""
PENALTY, MINUTES = 50, 10
"""Points that a failed try costs, and under ICPC rules minutes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A participant: `score` is points, or problems solved; of equal scores the lower `penalty` is better."""

    handle: str
    score: float
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Placed:
    """What a contest says: the rank (from 1) that the tries would have had, and the rating at which that rank is expected."""

    score: float
    penalty: float
    rank: int
    participants: int
    rating: float


def scored(tries: Mapping[str, Sequence[bool]], points: Mapping[str, float] | None = None) -> tuple[float, float]:
    """Score and penalty of the tries at each problem, in order: a problem counts when one is right, less its failed tries before.

    With `points` of every problem a failed try costs 50 of them, to 0 at the worst; without, each problem counts 1 (ICPC) and a
    failed try adds 10 minutes to the penalty.
    """
    failures = {problem: list(results).index(True) for problem, results in tries.items() if any(results)}
    if points is None:
        return float(len(failures)), float(MINUTES * sum(failures.values()))
    missing = failures.keys() - points.keys()
    if missing:
        raise InputError(
            f"no points are known of the problems {', '.join(sorted(missing))}: give those of every problem, or of none"
        )
    return float(sum(max(0.0, points[problem] - PENALTY * failed) for problem, failed in failures.items())), 0.0


def expected_rank(rating: float, opponents: Sequence[float]) -> float:
    """1 + the expected number of opponents that do better: m = 1 + Σ 1 / (1 + 10^((r - R_i) / 400))."""
    return 1.0 + sum(1.0 / (1.0 + exp((rating - one) * log(10.0) / 400.0)) for one in opponents)


def rating(rank: float, opponents: Sequence[float]) -> float:
    """The rating at which `rank` (1 is the best) is expected among these opponents, by bisection.

    It lies between 0 and 100 above the best opponent: who comes first in all cannot be told apart from who is much better.
    """
    if not opponents:
        raise InputError("a rating needs opponents: give the participants' ratings before the contest")
    if not 1 <= rank <= len(opponents) + 1:
        raise InputError(f"among {len(opponents)} opponents a rank lies between 1 and {len(opponents) + 1}, not at {rank}")
    low, high = 0.0, max(opponents) + CEILING
    for _ in range(60):
        middle = (low + high) / 2
        if expected_rank(middle, opponents) < rank:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def placed(
    tries: Mapping[str, Sequence[bool]],
    standings: Sequence[Standing],
    ratings: Mapping[str, float],
    points: Mapping[str, float] | None = None,
) -> Placed:
    """Where these tries would have come in the contest, and the rating that goes with it.

    Participants are those of the standings whose rating before the contest is known. The rank is one more than the number of them
    who did at least as well: as in the published code, a tie goes to the people.
    """
    known = [one for one in standings if one.handle in ratings]
    if not known:
        raise InputError(f"of {len(standings)} standings and {len(ratings)} ratings no handle is the same")
    score, penalty = scored(tries, points)
    rank = 1 + sum((one.score, -one.penalty) >= (score, -penalty) for one in known)
    opponents = [ratings[one.handle] for one in known]
    return Placed(score, penalty, rank, len(known), rating(rank, opponents))


def overall(contests: Sequence[Placed]) -> float:
    """The rating over contests: the mean of each one's."""
    if not contests:
        raise InputError("a rating needs a contest: give at least one")
    return fmean(one.rating for one in contests)


def most_likely(solved: Sequence[bool], difficulties: Sequence[float]) -> float | None:
    """The rating that makes these results likeliest, where P(solved) = 1 / (1 + 10^((d - r) / 400)).

    At it the expected number of solved problems is the number solved. None where all or none are: no rating is the likeliest then.
    """
    wins = sum(solved)
    if len(solved) != len(difficulties):
        raise InputError(f"{len(solved)} results and {len(difficulties)} difficulties: give one for each")
    if wins in (0, len(solved)):
        return None
    low, high = min(difficulties) - 4000.0, max(difficulties) + 4000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if len(solved) + 1 - expected_rank(middle, difficulties) > wins else (middle, high)
    return (low + high) / 2


def percentile(value: float, ratings: Sequence[float]) -> float:
    """The share of the sorted `ratings` below `value`, in per cent, to one decimal as published."""
    return round(100 * bisect_left(ratings, value) / len(ratings), 1)


def read_ratings(path: Path) -> list[float]:
    """Sorted ratings of people, from CodeElo's `sorted_ratings.json`: a list, or an object that says how many have each rating."""
    try:
        found = json.loads(path.read_bytes())
        counted = found.items() if isinstance(found, dict) else ((value, 1) for value in found)
        ratings = sorted(float(value) for value, count in counted for _ in range(int(count)))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read ratings in `{path}`: {error}; give a JSON list of numbers or rating: count") from error
    if not ratings:
        raise InputError(f"`{path}` holds no ratings")
    return ratings


def read_contests(path: Path) -> list[Placed]:
    """The contests of a JSON file: a list of objects `tries`, `standings` (handle, score, penalty), `ratings` and maybe `points`.

    `tries` maps a problem to the results of its submissions in order, true or false; `ratings` a handle to its rating before.
    """
    try:
        found = json.loads(path.read_bytes())
        return [
            placed(one["tries"], [Standing(**row) for row in one["standings"]], one["ratings"], one.get("points"))
            for one in (found if isinstance(found, list) else [found])
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"cannot read contests in `{path}`: {type(error).__name__}: {error}; give a list of objects with tries, standings and "
            "ratings (docs/contest.md)"
        ) from error
