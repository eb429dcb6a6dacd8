"""Circuit breaker: an upstream that keeps failing is left alone, then tried with one call (Nygard, "Release It!", 2007)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["closed", "open", "half-open"]


@dataclass(slots=True, eq=False)
class Breaker:
    """Opens after `threshold` failures in a row, for `pause` seconds, doubled with each failed trial up to `longest`.

    When the pause is over it is half open: one call may try, and its success closes the breaker.
    """

    threshold: int = 3
    pause: float = 1.0
    longest: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _openings: int = 0
    _until: float = field(default=float("-inf"))
    _trying: bool = False

    @property
    def state(self) -> State:
        if self.clock() < self._until:
            return "open"
        return "half-open" if self._openings else "closed"

    @property
    def until(self) -> float:
        """When it lets calls through again, on its clock."""
        return self._until

    def allows(self) -> bool:
        """Whether a call may go through now."""
        return self.state == "closed" or (self.state == "half-open" and not self._trying)

    def begin(self) -> None:
        """A call goes through; if it is a trial, no other may until it ends."""
        self._trying = self._trying or self.state == "half-open"

    def success(self) -> None:
        self._failures = self._openings = 0
        self._until, self._trying = float("-inf"), False

    def failure(self) -> None:
        self._failures += 1
        if self._failures >= self.threshold or self._openings:
            self.rest(min(self.longest, self.pause * 2.0**self._openings))
            self._openings += 1
        self._trying = False

    def abandoned(self) -> None:
        """A call ended without showing anything about the upstream: it was cancelled, or the request was wrong."""
        self._trying = False

    def rest(self, seconds: float) -> None:
        """Leave it alone for so long, as a 429 with Retry-After asks."""
        self._until = max(self._until, self.clock() + seconds)
