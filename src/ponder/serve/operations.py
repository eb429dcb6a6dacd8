"""What a gateway in production adds to `app`: keys and accounts, logs, metrics, spans. Each hangs on a seam."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from ponder.budget import Meter
from ponder.serve import visit
from ponder.serve.account import Account, Accounts
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.serve.errors import Refusal
from ponder.serve.keys import Key, Keyring
from ponder.serve.ledger import Ledger
from ponder.serve.log import log
from ponder.serve.metrics import Metrics
from ponder.serve.seams import Admission, Client, Seams
from ponder.serve.several import several
from ponder.serve.spans import Spans
from ponder.serve.visit import Visit
from ponder.trace import Event
from ponder.types import Chunk, Price, Usage

EVERY = 1.0  # seconds between the entries of a draw that runs


@dataclass(frozen=True, slots=True)
class Holder(Client):
    """A client with a key."""

    key: Key | None = None


@dataclass(slots=True)
class Draw:
    """A draw that is heard while it runs: its place in the journal, what it has used so far, and when that was written."""

    number: int
    used: Usage = field(default_factory=lambda: Usage(1))
    written: float = float("-inf")

    def hear(self, chunk: Chunk, alone: bool) -> None:
        """Count a piece: by the model's word, if the call is this draw's `alone`; else by the tokens shown, or as one."""
        shown = len(chunk.token_ids) or len(chunk.logprobs) or int(bool(chunk.text or chunk.reasoning))
        self.used = (chunk.usage if alone else None) or self.used + Usage(completion=shown)


@dataclass(slots=True)
class Running:
    """One request: its account, if it has one, and its draws that are heard while they run."""

    account: Account | None
    draws: dict[tuple[int, int], Draw] = field(default_factory=dict)
    samples: int = 0

    def spoken(self, place: tuple[int, int], chunk: Chunk, alone: bool, price: Price | None) -> None:
        """Enter what a streamed draw has used, now and then: what was sent to the client is on the ledger."""
        if self.account is None:
            return
        draw = self.draws.get(place) or self.draws.setdefault(place, Draw(self.account.number()))
        draw.hear(chunk, alone)
        now = time.monotonic()
        if now - draw.written >= EVERY:
            draw.written = now
            self.account.journal(draw.number, draw.used, price.usd(draw.used) if price else None)

    def drawn(self, event: Event, choice: int) -> None:
        """Enter what a draw has used in the end."""
        self.samples += 1
        if self.account is not None and event.data["role"] != "replayed":
            draw = self.draws.pop((choice, event.data["index"]), None)
            number = draw.number if draw else self.account.number()
            self.account.journal(number, Usage(**event.data["usage"]), event.data["usd"])


class Operations:
    """The seams of one server, with a ledger or without."""

    def __init__(self, ledger: Ledger | None = None, spans: Spans | None = None) -> None:
        self.metrics = Metrics()
        self.accounts = Accounts(ledger) if ledger else None
        self.keyring = Keyring(ledger.db) if ledger else None
        self._spans = spans
        self._open: dict[str, Running] = {}

    def seams(self) -> Seams:
        return Seams(self.authorise, self.admit, self.watch, self.settle)

    async def authorise(self, headers: Mapping[str, str]) -> Client:
        """Who asks, by the key of OpenAI's or Anthropic's header. While there is no key at all, anyone may."""
        if self.keyring is None or not self.keyring.needed():
            return Client()
        given = headers.get("authorization", "").removeprefix("Bearer ").strip() or headers.get("x-api-key", "")
        key = self.keyring.check(given) if given else None
        if key is None:
            why = "this API key is not known here, or it was revoked" if given else "an API key is needed"
            told = {"WWW-Authenticate": "Bearer"}
            raise Refusal(401, f"{why}; send it as Authorization: Bearer pk-…", "invalid_api_key", headers=told)
        visit.current().client = key.name
        return Holder(key.name, key)

    async def admit(self, client: Client, plan: Plan) -> Admission:
        """Open the account. Raises LimitReached, which is answered with 429."""
        account = None
        if self.accounts is not None and isinstance(client, Holder) and client.key is not None:
            account = self.accounts.admit(plan.id, client.key)
            visit.current().headers = account.headers()
        self._open[plan.id] = Running(account)
        visit.current().known |= {"request": plan.id, "model": plan.name, "strategy": plan.strategy.name}
        return self._inside(plan, account)

    @asynccontextmanager
    async def _inside(self, plan: Plan, account: Account | None) -> AsyncIterator[Meter | None]:
        """Nothing is spent before the request is on the ledger, with all that came in the turn that it has waited for."""
        if account is not None:
            account.keep()
        with self._spans.request(plan) if self._spans else nullcontext():
            yield account.meter if account else None

    def watch(self, client: Client, plan: Plan, event: Event, choice: int) -> None:  # noqa: ARG002 - a seam
        running = self._open[plan.id]
        if event.kind == "spoken":
            alone, index = plan.strategy is not several, event.data["index"]
            running.spoken((choice if alone else 0, index), event.data["chunk"], alone, plan.model.price)
            return
        if event.kind == "drawn":
            running.drawn(event, choice)
        self.metrics.watch(plan, event)
        if self._spans is not None:
            self._spans.watch(plan, event)

    async def settle(self, client: Client, plan: Plan, bill: Bill) -> None:  # noqa: ARG002 - a seam
        running = self._open.pop(plan.id)
        if running.account is not None:
            running.account.settle()
            await running.account.kept()
        self.metrics.settled(plan, running.samples)
        total = bill.total
        visit.current().known |= {
            "calls": total.calls, "prompt_tokens": total.prompt, "cached_tokens": total.cached,
            "completion_tokens": total.completion, "usd": bill.usd,
        }  # fmt: skip

    def ended(self, over: Visit) -> None:
        """A request has been answered, or was not."""
        self.metrics.ended(over)
        log.info("request", extra={"line": over.line()})

    def close(self) -> None:
        """Settle what never began, and close the ledger."""
        for running in self._open.values():
            if running.account is not None:
                running.account.settle()
        if self.accounts is not None:
            self.accounts.ledger.close()
