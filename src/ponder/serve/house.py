"""What is open while a gateway runs: the models, the verifier, the policies, and where operations plug in."""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ponder import verifiers
from ponder.budget import Budget
from ponder.errors import ModelError, StoreError
from ponder.models import abilities, catalog
from ponder.models.chat import Chat
from ponder.policy import policy as policies
from ponder.policy.policy import Policy
from ponder.serve import compute
from ponder.serve.archive import Archive
from ponder.serve.ask import Ask
from ponder.serve.bill import Bill
from ponder.serve.compute import Plan
from ponder.serve.door import Door
from ponder.serve.errors import Refusal
from ponder.serve.format import Conforms, faults
from ponder.serve.problem import problem
from ponder.serve.seams import Client, Seams
from ponder.serve.settings import Settings
from ponder.serve.several import several
from ponder.tasks.free import free
from ponder.trace import Trace
from ponder.types import Model, Problem, Request, Verifier
from ponder.verifiers import verifiers as known

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """`cap` is the server's budget of a request without its seconds, which are kept beside the budget (`run`)."""

    settings: Settings
    cap: Budget
    seams: Seams
    models: Mapping[str, Model]
    verifier: Verifier | None
    tuned: Mapping[str, Policy]
    archive: Archive | None
    door: Door

    def plan(self, ask: Ask) -> Plan:
        """What will run for a request. Raises `Refusal`, `InputError` or `AbilityMissing` for what cannot."""
        name, *named = compute.addressed(ask.model, self.settings)
        model = self.models[name]
        fault = faults(ask.format) if ask.format else None
        asked = problem(ask, model, self.settings.longest, fault)
        judge = self._judge(ask, asked)
        around = compute.around(ask, asked, model, judge, self.tuned)
        chosen = compute.choose(ask.compute, (named[0], named[1]), self.settings, around)
        judge = Conforms(fault, judge) if fault else judge
        parameters = compute.capped(chosen, self.settings)
        compute.able(chosen.strategy, parameters, ask, model, judge is not None)
        budget = compute.within(self.cap, ask.compute.budget, _thinking(chosen.tokens, asked, model))
        strategy = chosen.strategy
        if strategy.name == "direct" and ask.n > 1:
            strategy, parameters = several, {"n": ask.n}
        return Plan(
            id=secrets.token_hex(12),
            name=ask.model or name,
            model=model,
            problem=asked,
            strategy=strategy,
            parameters=parameters,
            verifier=judge,
            budget=budget,
            seed=random.getrandbits(31) if ask.sampling.seed is None else abs(ask.sampling.seed) % 2**31,
            n=ask.n,
            soft=chosen.soft and ask.compute.budget.tokens is None,
            patience=self.settings.cap.seconds,
            fault=fault,
            kept=ask.kept,
        )

    def _judge(self, ask: Ask, asked: Problem) -> Verifier | None:
        """The verifier that the request names, the task's own, or the server's. Raises `Refusal` for one that is not offered."""
        spec = ask.compute.verifier
        if spec is None or spec == self.settings.verifier:
            return self.verifier or asked.task.chooser
        if spec == "task" or spec in known.names():
            return verifiers.named(spec, asked.task)
        offered = ", ".join(one for one in ("task", *known.names(), self.settings.verifier) if one)
        raise Refusal(400, f"the verifier {spec!r} is not offered here; there are {offered}", "invalid_value", "ponder.verifier")

    async def settled(self, client: Client, plan: Plan, bill: Bill, traces: Sequence[Trace]) -> None:
        """The end of a request, whatever it was: its bill is booked, its trace is kept. To lose a trace is to lose no answer."""
        await self.seams.settle(client, plan, bill)
        if self.archive is None or not plan.kept:
            return
        try:
            await self.archive.keep_trace(plan.id, client.id, traces)
        except StoreError as error:
            _log.error("the trace of %s is lost: %s", plan.id, error)


_UNBOUNDED = Budget()


def _thinking(tokens: int | None, asked: Problem, model: Model) -> Budget:
    """The limit that leaves so many tokens for thinking besides the answer itself."""
    if tokens is None:
        return _UNBOUNDED
    return Budget(tokens=tokens + model.prompt_tokens(Request(asked.messages)) + asked.task.max_tokens)


@asynccontextmanager
async def _opened(model: str | Model) -> AsyncIterator[Model]:
    """The model; what an endpoint that is named can really do is found out first, if that is not known yet.

    One that does not answer is served as it is, by what every endpoint can do.
    """
    async with catalog.opened(model) as made:
        if isinstance(model, str) and isinstance(made, Chat):
            try:
                await abilities.probe(made)
            except ModelError as error:
                _log.warning("`%s` is served without a probe: %s", made.name, error)
        yield made


@asynccontextmanager
async def open_house(settings: Settings, seams: Seams) -> AsyncIterator[House]:
    """Open the models and the verifier, and close them at the end."""
    async with AsyncExitStack() as stack:
        models = {name: await stack.enter_async_context(_opened(model)) for name, model in settings.models.items()}
        verifier = None
        if settings.verifier is not None and settings.verifier != "task":
            verifier = await stack.enter_async_context(verifiers.opened(settings.verifier, free))
        tuned = {settings.policy: policies.read(Path(settings.policy))} if settings.policy else {}
        archive = Archive(settings.store) if settings.store else None
        if archive is not None:
            stack.callback(archive.close)
        yield House(settings, replace(settings.cap, seconds=None), seams, models, verifier, tuned, archive, Door(settings.crowd))
