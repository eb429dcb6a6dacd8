"""The default strategy: the policy's choice for this problem's difficulty and this budget; without a policy, an early stop.

The samples of the probe are the first that the chosen strategy draws, so that they are paid for once.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from ponder import budget as budgets
from ponder import trace
from ponder.budget import Charge
from ponder.errors import BudgetExhausted, InputError
from ponder.models.catalog import opened
from ponder.policy import latency
from ponder.policy import policy as policies
from ponder.policy.policy import EFFORTS, Policy
from ponder.strategies import Strategy, registry, strategy
from ponder.strategies.draw import draw
from ponder.types import Answer, Candidate, Model, Problem, Verifier
from ponder.verifiers.evidence import evidence

DEFAULT_EFFORT = "high"
ABREAST, RAMP = 4, 4  # where nothing is scarce: nearly four times as fast as one by one on hard problems, and the same on easy ones


@strategy("auto", paper="Snell 2024; Damani 2024")
async def auto(
    problem: Problem, model: Model, verifier: Verifier | None, *, policy: str = "", effort: str = "", n: int = 64
) -> Answer:
    """Spend what this problem needs: the policy's choice for its difficulty and the budget (Snell et al. 2024, §3).

    `policy` is a file that `ponder tune` has made; without one, the shipped one for this task, model and verifier is followed, if
    there is any. `effort` (minimal, low, medium, high, max) says how much accuracy must be won for a token; it is high where there
    is no budget either; with both, the budget limits what the effort has chosen. At most `n` samples. With no policy at all:
    samples until one passes the check, or until the vote is settled. The event `planned` says why. Departs from the paper: the
    samples that show the difficulty are charged, and are the first of the answer's where it draws at the task's own temperature.
    """
    if effort not in ("", *EFFORTS):
        raise InputError(f"there is no effort {effort!r}; take one of {', '.join(EFFORTS)}")
    followed = _policy(problem, model, verifier, policy)
    means = _means(model)
    plan = await _planned(problem, model, verifier, followed, means, effort, n) if followed else _untuned(problem, verifier)
    return await _run(problem, model, verifier, plan, means, n)


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to spend: computed `tokens` (None: nothing limits them), and the draws that may be in flight at once.

    With a `ramp`, first one alone and one more for each so many that have finished.
    """

    tokens: float | None
    width: int
    ramp: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The strategy to run with its parameters, and all that led to it."""

    strategy: Strategy
    parameters: dict[str, Any]
    why: dict[str, Any]
    model: str | None = None
    temperature: float | None = None


def _policy(problem: Problem, model: Model, verifier: Verifier | None, path: str) -> Policy | None:
    """The policy named, or shipped. Raises `InputError` where the one named is for something else."""
    about = (problem.task.name, model.name, verifier.name if verifier else None)
    if not path:
        return policies.shipped(*about)
    named = policies.read(Path(path))
    if not named.fits(*about):
        made, asked = (", ".join(map(str, one)) for one in ((named.task, named.model, named.verifier), about))
        raise InputError(f"the policy `{path}` is for {made}, not for {asked} (task, model, verifier); tune one for these")
    return named


def _means(model: Model) -> Means:
    """Against the clock, as many draws at once as the model runs well; where tokens are scarce, one by one, which wastes none.

    Where nothing is, one by one at first and soon several.
    """
    meter = budgets.current()
    left, seconds = meter.without(Charge()), meter.deadline - time.monotonic()
    limits: list[float] = [] if left.tokens is None else [left.tokens]
    if left.usd is not None and model.price is not None:
        limits.append(left.usd / model.price.completion)
    if seconds == inf:
        return Means(min(limits), 1) if limits else Means(None, ABREAST, RAMP)
    profile = latency.recall(model)
    limits.append(profile.knee * seconds / profile.seconds(1, profile.knee) if profile else inf)
    return Means(min(limits), profile.knee if profile else model.concurrency)


async def _planned(
    problem: Problem, model: Model, verifier: Verifier | None, policy: Policy, means: Means, effort: str, n: int
) -> Plan:
    """The policy's choice, after its probe: that of the effort, or of the budget where nothing but a budget is said."""
    probe = await _probe(problem, model, verifier, min(n, policy.probe)) if policy.probe else []
    difficulty = policy.difficulty(problem, probe)
    found = policy.bin(difficulty)
    chosen = effort or ("" if means.tokens is not None else DEFAULT_EFFORT)
    choice = found.efforts[chosen] if chosen else policies.at(found.choices, means.tokens or 0)
    why = {"difficulty": difficulty, "bin": found.difficulty, "choice": asdict(choice)}
    own = policy.evidence["made"].get("temperature") in (None, problem.task.temperature)  # else it is the user's
    return Plan(registry.get(choice.strategy), dict(choice.parameters), why, choice.model, choice.temperature if own else None)


async def _probe(problem: Problem, model: Model, verifier: Verifier | None, size: int) -> list[Candidate]:
    """The first samples, one by one, as far as the budget admits them."""
    drawn: list[Candidate] = []
    try:
        async for one in draw(problem, model, size, verifier):
            drawn.append(one)
    except BudgetExhausted:
        pass  # too few to tell: the problem counts as hard, and the strategy meets the same limit
    return drawn


def _untuned(problem: Problem, verifier: Verifier | None) -> Plan:
    """Without a policy: an early stop where a check or a vote can tell when it is enough."""
    if verifier is not None and evidence(verifier) in ("reference", "check"):
        name = "first-wins"
    elif verifier is not None:
        name = "best-of-n"
    else:
        name = "adaptive-consistency" if problem.task.verifier else "direct"
    return Plan(registry.get(name), {}, {"why": "there is no policy for this task, model and verifier; `ponder tune` makes one"})


async def _run(problem: Problem, model: Model, verifier: Verifier | None, plan: Plan, means: Means, n: int) -> Answer:
    known = plan.strategy.parameters
    parameters = dict(plan.parameters)
    for name in ("width", "ramp"):
        if name in known:
            parameters.setdefault(name, getattr(means, name))
    if "n" in known:
        parameters["n"] = min(n, parameters.get("n", known["n"].default))
    trace.current().record("planned", strategy=plan.strategy.name, parameters=parameters, **plan.why)
    async with AsyncExitStack() as stack:
        answering = await stack.enter_async_context(opened(plan.model)) if plan.model else model
        stack.enter_context(trace.speaking(plan.strategy.certain))
        if plan.temperature is not None:
            problem = replace(problem, task=replace(problem.task, temperature=plan.temperature))
        return await plan.strategy(problem, answering, verifier, **parameters)
