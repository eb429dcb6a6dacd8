"""Whether a judge likes a place: measured on the very comparisons that a solve has made (Zheng et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ponder import trace
from ponder.proportion import wilson
from ponder.trace import Event
from ponder.types import Sample

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Position:
    """What `verdicts` say of a judge's liking for a place.

    `first` of them prefer whoever was shown first: half, if each is as often first as second. `pairs` are verdicts on the same two
    candidates in both orders, and `flipped` of these name the same place twice, so that the order decided. Both shares come with
    Wilson's two-sided interval of 95 %; None where nothing was counted. A judge likes a `place` if the interval of the first
    share does not hold 1/2. Verdicts in both orders are no further from 1/2 than independent ones: the interval is a wide one.
    """

    verdicts: int
    first: int
    pairs: int
    flipped: int

    @property
    def first_interval(self) -> Interval | None:
        return wilson(self.first, self.verdicts) if self.verdicts else None

    @property
    def flipped_interval(self) -> Interval | None:
        return wilson(self.flipped, self.pairs) if self.pairs else None

    @property
    def place(self) -> str | None:
        """`first` or `second`, if one is liked beyond doubt."""
        if self.first_interval is None or self.first_interval[0] <= 0.5 <= self.first_interval[1]:
            return None
        return "first" if self.first_interval[0] > 0.5 else "second"


def weigh(first: Sample, second: Sample, straight: Sequence[float], swapped: Sequence[float]) -> float | None:
    """The share of verdicts that prefer `first`, which `swapped` have seen second; None without any.

    A verdict is 1 if it prefers the one shown first, else 0. All go into the trace, where `position` finds them.
    """
    trace.current().record("preferred", first.event, second=second.event, straight=list(straight), swapped=list(swapped))
    preferred = [*straight, *(1 - verdict for verdict in swapped)]
    return fmean(preferred) if preferred else None


def position(events: Iterable[Event]) -> Position | None:
    """The liking that the verdicts in these events show; None if no judge has compared anything."""
    seen = [event.data for event in events if event.kind == "preferred" and event.data["straight"] + event.data["swapped"]]
    verdicts = [verdict for one in seen for verdict in (*one["straight"], *one["swapped"])]
    pairs = [straight == swapped for one in seen for straight, swapped in zip(one["straight"], one["swapped"], strict=False)]
    return Position(len(verdicts), int(sum(verdicts)), len(pairs), sum(pairs)) if verdicts else None


def declare() -> None:
    """Put what this solve's comparisons show into its trace, as the event `position`."""
    found = position(trace.current().events)
    if found is not None:
        trace.current().record(
            "position",
            verdicts=found.verdicts,
            first=found.first,
            first_interval=found.first_interval,
            pairs=found.pairs,
            flipped=found.flipped,
            flipped_interval=found.flipped_interval,
            place=found.place,
        )
