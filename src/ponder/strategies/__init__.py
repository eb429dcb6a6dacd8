"""How compute is spent: one paper, or one family, a file.

A strategy is an async function of a problem, a model and (where it needs one) a verifier; its keyword parameters are its
configuration, and the command line, the docs and the trace are made from its signature.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ponder.errors import AbilityMissing, InputError
from ponder.registry import Registry, split
from ponder.strategies.stopping import Rule
from ponder.types import Answer, Candidate, Model, Problem, Verifier

Select = Callable[[Iterable[Candidate], Callable[[str], str]], Candidate | None]


_SIZES = ("n", "beams", "simulations", "beam", "chains", "agents", "rounds", "trials", "waits")


@functools.cache
def _keywords(run: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """A function's keyword parameters: reading them takes longer than a request of the gateway may."""
    signature = inspect.signature(run, eval_str=True)
    return {name: one for name, one in signature.parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}


@functools.cache
def _size(run: Callable[..., Any]) -> str | None:
    return next((name for name in _SIZES if name in _keywords(run)), None)


@functools.cache
def _judged(run: Callable[..., Any]) -> bool:
    return "verifier" in inspect.signature(run).parameters


@dataclass(frozen=True, slots=True)
class Strategy:
    """A registered strategy.

    `needs` names what it cannot do without: `verifier`, and `continues`, the model's ability to go on from a given text.
    `select` is set where it draws `n` independent samples and chooses among them by a pure function: then the lab can evaluate
    every `n` exactly from one bank of samples. `rule` is set beside it where the samples end early (see `strategies.stopping`).
    `certain`: what it draws is the answer, whatever comes, and so may be heard while it streams.
    """

    name: str
    run: Callable[..., Awaitable[Answer]]
    paper: str
    needs: tuple[str, ...] = ()
    select: Select | None = None
    rule: Rule | None = None
    certain: bool = False

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The keyword parameters: the strategy's configuration."""
        return _keywords(self.run)

    @property
    def judged(self) -> bool:
        """Whether it takes a verifier: one that does not need it does without where there is none."""
        return _judged(self.run)

    @property
    def size(self) -> str | None:
        """The parameter that says how much it may draw: what the lab sweeps."""
        return _size(self.run)

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]

    async def __call__(self, problem: Problem, model: Model, verifier: Verifier | None, **parameters: Any) -> Answer:
        checked = self.check(parameters)
        if "continues" in self.needs and not model.abilities.continues:
            advice = f"`{self.name}` goes on from its own partial solutions; take best-of-n, or an engine that continues a message"
            raise AbilityMissing(model.name, "continues", advice)
        if "verifier" in self.needs and verifier is None:
            raise InputError(f"the strategy `{self.name}` needs a verifier; name one with --verifier, or take self-consistency")
        judges = (verifier,) if self.judged else ()
        return await self.run(problem, model, *judges, **checked)

    def check(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with their declared types. Raises `InputError` for an unknown name or a value of another type."""
        known = self.parameters
        for name, value in parameters.items():
            if name not in known:
                raise InputError(f"`{self.name}` has no parameter `{name}`; it has {', '.join(known) or 'none'}")
            wanted = known[name].annotation
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise InputError(f"`{self.name}` wants `{name}` to be {wanted.__name__}, not {value!r}")
            if name == "n" and value < 1:
                raise InputError(f"`{self.name}` cannot draw n={value} samples; give 1 or more")
        return dict(parameters)


registry: Registry[Strategy] = Registry(
    "strategy",
    "ponder.strategies",
    {
        "auto": "ponder.policy.auto:auto",
        "direct": "ponder.strategies.direct:direct",
        "chain-of-thought": "ponder.strategies.direct:chain_of_thought",
        "best-of-n": "ponder.strategies.parallel:best_of_n",
        "self-consistency": "ponder.strategies.parallel:self_consistency",
        "weighted-vote": "ponder.strategies.parallel:weighted_vote",
        "borda-vote": "ponder.strategies.parallel:borda_vote",
        "adaptive-consistency": "ponder.strategies.sequential:adaptive_consistency",
        "early-stopping-consistency": "ponder.strategies.sequential:early_stopping_consistency",
        "first-wins": "ponder.strategies.sequential:first_wins",
        "pandora": "ponder.strategies.sequential:pandora",
        "beam": "ponder.strategies.beam:beam",
        "lookahead": "ponder.strategies.beam:lookahead",
        "dvts": "ponder.strategies.beam:dvts",
        "speculative-rejection": "ponder.strategies.rejection:speculative_rejection",
        "rebase": "ponder.strategies.rebase:rebase",
        "particles": "ponder.strategies.particles:particles",
        "particle-gibbs": "ponder.strategies.particles:particle_gibbs",
        "twisted-smc": "ponder.strategies.smc:twisted_smc",
        "mcts": "ponder.strategies.mcts:mcts",
        "alphamath": "ponder.strategies.mcts:alphamath",
        "rstar": "ponder.strategies.mcts:rstar",
        "rap": "ponder.strategies.mcts:rap",
        "lats": "ponder.strategies.mcts:lats",
        "tree-of-thoughts": "ponder.strategies.tree_of_thoughts:tree_of_thoughts",
        "ab-mcts": "ponder.strategies.ab_mcts:ab_mcts",
        "deepconf": "ponder.strategies.deepconf:deepconf",
        "cascade": "ponder.strategies.cascade:cascade",
        "codet": "ponder.strategies.codet:codet",
        "plan-search": "ponder.strategies.plan_search:plan_search",
        "knockout": "ponder.strategies.tournament:knockout",
        "league": "ponder.strategies.tournament:league",
        "universal-self-consistency": "ponder.strategies.consensus:universal_self_consistency",
        "agreement": "ponder.strategies.consensus:agreement",
        "mixture-of-agents": "ponder.strategies.mixture:mixture_of_agents",
        "debate": "ponder.strategies.debate:debate",
        "self-refine": "ponder.strategies.refine:self_refine",
        "chain-of-verification": "ponder.strategies.refine:chain_of_verification",
        "reflexion": "ponder.strategies.reflexion:reflexion",
        "revise": "ponder.strategies.revise:revise",
        "drift-check": "ponder.strategies.drift:drift_check",
        "certaindex": "ponder.strategies.certaindex:certaindex",
        "think": "ponder.strategies.think:think",
        "retrieve": "ponder.strategies.retrieve:retrieve",
        "knowledge-guard": "ponder.policy.knowledge:knowledge_guard",
    },
)


def strategy(
    name: str,
    *,
    paper: str,
    needs: tuple[str, ...] = (),
    select: Select | None = None,
    rule: Rule | None = None,
    certain: bool = False,
) -> Callable[[Callable[..., Awaitable[Answer]]], Strategy]:
    """Register an async function as the strategy `name`."""

    def register(run: Callable[..., Awaitable[Answer]]) -> Strategy:
        return registry.register(name)(Strategy(name, run, paper, needs, select, rule, certain))

    return register


_SPEC = re.compile(r"\s*(?P<name>[\w.-]+)\s*(?:\((?P<inside>.*)\))?\s*", re.DOTALL)


def parse(spec: str) -> tuple[Strategy, dict[str, Any]]:
    """Read `best-of-n` or `best-of-n(n=16)`: the strategy and the parameters given, checked."""
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise InputError(f"cannot read the strategy {spec!r}; write it as best-of-n or best-of-n(n=16)")
    chosen = registry.get(found["name"])
    return chosen, chosen.check(dict(_parameter(part, spec) for part in split(found["inside"] or "") if part.strip()))


def _parameter(part: str, spec: str) -> tuple[str, Any]:
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals:
        raise InputError(f"cannot read {part.strip()!r} in the strategy {spec!r}; write parameters as name=value")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
