"""A request on its key's account: what its draws use is journalled, and the key's limits on tokens and dollars hold inside it.

Each such limit is a meter that the key's requests share, around the request's own budget: a draw that does not fit beside what the
key has in flight waits, and a request whose key is used up ends with its best answer so far. So a limit is never overdrawn, however
many requests run at once. (Processes that share a ledger learn of each other's spend with each entry of their own.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from ponder.budget import Budget, Charge, Meter
from ponder.errors import LimitReached
from ponder.serve import limits
from ponder.serve.keys import Key
from ponder.serve.ledger import Ledger
from ponder.serve.limits import Limit, Standing
from ponder.types import Usage


class Window(Meter):
    """A key's limit, in this process."""

    def __init__(self, limit: Limit, ledger: Ledger, parent: Meter | None) -> None:
        whole = {"tokens": max(1, int(limit.amount))} if limit.kind == "tokens" else {"usd": limit.amount}
        super().__init__(Budget(**whole), parent)
        self.limit, self.ledger = limit, ledger

    def read(self, standings: Iterable[Standing]) -> None:
        """What is spent is what the ledger says, in the period that it is now."""
        used = next(one.used for one in standings if one.limit == self.limit)
        self.spent = Charge(tokens=int(used)) if self.limit.kind == "tokens" else Charge(usd=used)

    def exhausted(self, limit: str, allowed: float, spent: float, needed: float) -> LimitReached:
        return LimitReached(limit, allowed, spent, needed, self.limit.reset(self.ledger.clock()))


@dataclass
class Account:
    """One request of `key`, whose limits stand as `standings` say; `windows` are the innermost first."""

    request: str
    key: Key
    ledger: Ledger
    standings: list[Standing] = field(default_factory=list)
    windows: tuple[Window, ...] = ()
    _numbers: Iterator[int] = field(default_factory=count)

    def number(self) -> int:
        """A place in the journal for another draw."""
        return next(self._numbers)

    def journal(self, number: int, usage: Usage, usd: float | None) -> None:
        """That draw has used so much until now."""
        self.ledger.journal(self.request, self.key, number, usage, usd)
        self.standings = self.ledger.standings(self.key)
        for meter in self.windows:
            meter.read(self.standings)

    @property
    def meter(self) -> Meter | None:
        """What the request spends under, beside its own budget."""
        return self.windows[0] if self.windows else None

    def settle(self) -> None:
        self.ledger.settle(self.request)

    def keep(self) -> None:
        """What was entered so far is safe from now on."""
        self.ledger.keep()

    async def kept(self) -> None:
        """Return when what was entered so far is safe, along with what others enter in this turn of the event loop."""
        await self.ledger.kept()

    def headers(self) -> Mapping[str, str]:
        """The rate-limit headers of an answer that begins now."""
        return limits.headers(self.standings, self.ledger.clock())


class Accounts:
    """The accounts of a server: the requests of one key share its meters."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._windows: dict[Key, tuple[Window, ...]] = {}

    def admit(self, request: str, key: Key) -> Account:
        """Open the account of a request, which is to be settled. Raises LimitReached."""
        standings = self.ledger.admit(request, key)
        windows = self._shared(key)
        for meter in windows:
            meter.read(standings)
        return Account(request, key, self.ledger, standings, windows)

    def _shared(self, key: Key) -> tuple[Window, ...]:
        if key not in self._windows:
            parent: Window | None = None
            made: list[Window] = []
            for limit in key.limits:
                if limit.kind != "requests":
                    parent = Window(limit, self.ledger, parent)
                    made.append(parent)
            self._windows[key] = tuple(reversed(made))
        return self._windows[key]
