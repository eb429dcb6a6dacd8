"""Choosing compute: which strategy answers a request, and under what limits.

In this order: the `ponder` object of the body, the model's name (`qwen3:best-of-16`, `ponder/high`), `reasoning_effort`,
Anthropic's `thinking.budget_tokens`, the server's own setting. The server's caps always win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args

from ponder.budget import LIMITS, Budget
from ponder.errors import AbilityMissing, InputError
from ponder.policy import policy as policies
from ponder.policy.auto import ABREAST
from ponder.policy.policy import Policy
from ponder.serve.ask import Ask, Compute, Effort
from ponder.serve.errors import Refusal
from ponder.serve.format import Fault
from ponder.serve.settings import Settings
from ponder.serve.several import several
from ponder.strategies import Strategy, parse, registry
from ponder.types import Model, Problem, Verifier
from ponder.verifiers.evidence import evidence

EFFORTS: tuple[str, ...] = get_args(Effort)
SAMPLES = {"minimal": 2, "low": 4, "medium": 8, "high": 16, "xhigh": 32, "max": 64}
"""The samples that an effort buys where no policy knows better."""

OWN = "ponder"
_PRIVATE = {"also", "policy", "folder"}  # parameters that name models and files: the server's to set, not a client's
_WORD = re.compile(r"[a-z][a-z0-9:.-]*")
_COUNTED = re.compile(r"(?P<name>[\w.-]+?)-(?P<size>\d+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run for a request: `id` names its trace, `name` is the model as the client called it.

    `soft`: the limit on tokens stands for an effort, so that an answer within it is no answer cut short. `patience` is the seconds
    after which the best answer so far is sent, `fault` the check of the answer's format.
    """

    id: str
    name: str
    model: Model
    problem: Problem
    strategy: Strategy
    parameters: Mapping[str, Any]
    verifier: Verifier | None
    budget: Budget
    seed: int
    n: int = 1
    soft: bool = False
    patience: float | None = None
    fault: Fault | None = None
    kept: bool = True

    @property
    def solves(self) -> int:
        """How many solves give the `n` answers: several plain draws are one."""
        return 1 if self.strategy is several else self.n


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy with its parameters and the tokens that it may spend; `soft` as in `Plan`."""

    strategy: Strategy
    parameters: dict[str, Any]
    tokens: int | None = None
    soft: bool = False


def addressed(name: str, settings: Settings) -> tuple[str, str | None, str | None]:
    """The served model that `name` means, and the strategy and the effort that it may name besides.

    Raises `Refusal(404)` for a model that is not served.
    """
    if not name or name == OWN:
        return settings.default, None, None
    for served in sorted({*settings.models, OWN}, key=len, reverse=True):
        model = settings.default if served == OWN and OWN not in settings.models else served
        if name == served:
            return model, None, None
        if name.startswith(f"{served}:"):
            return model, name.removeprefix(f"{served}:"), None
        if name.startswith(f"{served}/") and name.removeprefix(f"{served}/") in EFFORTS:
            return model, None, name.removeprefix(f"{served}/")
    known = ", ".join([*settings.models, *(f"{OWN}/{effort}" for effort in ("low", "high"))])
    raise Refusal(404, f"the model `{name}` is not served here; there are {known} (see /v1/models)", "model_not_found", "model")


def strategy(spec: str) -> tuple[Strategy, dict[str, Any]]:
    """The strategy that a client names: `best-of-n(n=16)`, or for short `best-of-16`. Raises `InputError` for an unknown one."""
    counted = _COUNTED.fullmatch(spec)
    if counted and spec not in registry.names():
        for name in (counted["name"], f"{counted['name']}-n"):
            if name in registry.names() and (size := registry.get(name).size):
                return registry.get(name), registry.get(name).check({size: int(counted["size"])})
    return parse(spec)


def allowed(chosen: Strategy, parameters: Mapping[str, Any]) -> None:
    """Raise `InputError` where a client's parameters name files or models, which are the server's to choose."""
    for name, value in parameters.items():
        if name in _PRIVATE and value:
            raise InputError(f"`{name}` of `{chosen.name}` names what only the server may choose; leave it out")
        if name == "sampler" and value:
            allowed(*parse(str(value).removeprefix("leaves:")))
        elif isinstance(value, str) and value and not _WORD.fullmatch(value):
            raise InputError(f"`{name}` of `{chosen.name}` is one word, and not {value!r}")


def choose(compute: Compute, named: tuple[str | None, str | None], settings: Settings, around: Around) -> Choice:
    """The first of the ways to choose compute that the request uses."""
    spec, effort = named
    if compute.strategy:
        chosen, parameters = strategy(compute.strategy)
        parameters = parameters | chosen.check(dict(compute.parameters))
        allowed(chosen, parameters)
        return Choice(chosen, parameters)
    if spec:
        chosen, parameters = strategy(spec)
        parameters = parameters | chosen.check(dict(compute.parameters))
        allowed(chosen, parameters)
        return Choice(chosen, parameters)
    effort = effort or compute.effort
    if effort is None and compute.thinking is not None:
        return replace(_effort("max", around), tokens=compute.thinking, soft=True)
    if effort is not None:
        return _effort(effort, around)
    if compute.parameters:
        raise InputError("`ponder.parameters` are those of a strategy; name it in `ponder.strategy`")
    return _own(*_parsed(settings.strategy), around)


@cache
def _parsed(spec: str) -> tuple[Strategy, dict[str, Any]]:
    """The server's own strategy, which is read once."""
    return parse(spec)


def _own(chosen: Strategy, parameters: dict[str, Any], around: Around) -> Choice:
    """The server's own choice. `auto` without a policy and without anything to check or vote on is a plain draw from the start, and
    where only a format is checked, one draw after another until one has it."""
    if chosen.name == "auto" and around.policy:
        parameters = {"policy": around.policy} | parameters
    if chosen.name != "auto" or around.policy is not None or around.verifier is not None or around.graded:
        return Choice(chosen, parameters)
    if around.formatted:
        return Choice(registry.get("first-wins"), {"n": SAMPLES["medium"], "width": 1})
    return Choice(registry.get("direct"), {})


@dataclass(frozen=True, slots=True)
class Around:
    """What an effort is judged by: the verifier, the policy file that fits (None: none, "": the shipped one), and whether
    answers can be right or wrong in the problem's task, must be JSON of some form (`formatted`), or ask for what not every strategy
    carries (`whole`)."""

    verifier: Verifier | None
    policy: str | None
    graded: bool
    formatted: bool
    whole: bool


def around(ask: Ask, problem: Problem, model: Model, verifier: Verifier | None, tuned: Mapping[str, Policy]) -> Around:
    """The first of the server's policies, else the shipped one, that is for this task, model and verifier."""
    about = (problem.task.name, model.name, verifier.name if verifier else None)
    own = next((path for path, policy in tuned.items() if policy.fits(*about)), None)
    policy = own if own is not None else "" if policies.shipped(*about) else None
    return Around(verifier, policy, problem.task.verifier is not None, ask.format is not None, ask.whole)


def _effort(effort: str, around: Around) -> Choice:
    """What an effort buys: by the policy, if there is one; else so many samples, until a check or a vote is satisfied."""
    if effort == "none":
        return Choice(registry.get("direct"), {})
    if around.policy is not None:
        known = "max" if effort == "xhigh" else effort
        return Choice(registry.get("auto"), {"effort": known} | ({"policy": around.policy} if around.policy else {}), soft=True)
    size: dict[str, Any] = {"n": SAMPLES[effort]}
    if around.verifier is not None and evidence(around.verifier) not in ("reference", "check"):
        return Choice(registry.get("best-of-n"), size, soft=True)
    votes = "adaptive-consistency" if around.whole else "agreement"
    name = votes if around.verifier is None else "first-wins"
    return Choice(registry.get(name), size | {"width": ABREAST}, soft=True)


def capped(chosen: Choice, settings: Settings) -> dict[str, Any]:
    """The parameters, with no more samples than the server gives."""
    size, parameters = chosen.strategy.size, dict(chosen.parameters)
    if size and parameters.get(size, chosen.strategy.parameters[size].default) > settings.widest:
        parameters[size] = settings.widest
    return parameters


def within(*budgets: Budget) -> Budget:
    """The tightest of each limit."""
    limits: dict[str, Any] = {}
    for limit in LIMITS:
        given = [value for one in budgets if (value := getattr(one, limit)) is not None]
        limits[limit] = min(given, default=None)
    return Budget(**limits)


def able(chosen: Strategy, parameters: Mapping[str, Any], ask: Ask, model: Model, judged: bool) -> None:
    """Raise what keeps a strategy from answering a request, before anything is spent."""
    if "verifier" in chosen.needs and not judged:
        raise InputError(
            f"the strategy `{chosen.name}` needs a verifier, and there is none for this request; take self-consistency"
        )
    if "continues" in chosen.needs and not model.abilities.continues:
        advice = f"`{chosen.name}` goes on from its own partial solutions; take best-of-n or self-consistency"
        raise AbilityMissing(model.name, "continues", advice)
    if ask.whole and chosen.name != "auto" and (chosen.select is None or parameters.get("sampler")):
        raise Refusal(
            400,
            f"the strategy `{chosen.name}` writes prompts of its own and so carries no images, tools, response formats or "
            f"log-probabilities; take direct, best-of-n or self-consistency",
            "unsupported_by_strategy",
            "ponder.strategy",
        )
    raw = bool(ask.fields) or any(message.raw for message in ask.messages)
    for wanted, has, ability, what in (
        (raw, model.abilities.raw, "raw", "takes text alone, and no images or tools"),
        (ask.sampling.logprobs, model.abilities.logprobs, "logprobs", "gives no log-probabilities"),
        (ask.sampling.top_logprobs, model.abilities.top_logprobs, "top_logprobs", "gives no other tokens' log-probabilities"),
        (ask.sampling.stop, model.abilities.stop, "stop", "cannot end at a given text"),
    ):
        if wanted and not has:
            raise Refusal(400, f"`{model.name}` {what}: it lacks the ability `{ability}`", "unsupported_ability")
