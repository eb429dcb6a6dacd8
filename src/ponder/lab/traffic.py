"""Traffic: which part of the queries is answered by which strategy, and how those fan out.

    direct=90,best-of-n(n=16)=10         shares of strategies        minimal=70,high=30        shares of efforts

Fan-outs are recorded on the simulated model, which costs nothing, and then scaled to answers and questions of the given lengths.
An effort is what its policy runs: in each bin of difficulty the policy's choice, on problems of that difficulty, under its budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ponder.cost.fanout import Fanout, rounds, scaled
from ponder.errors import InputError
from ponder.lab.fanout import recorded
from ponder.models.simulated import Simulated
from ponder.policy.policy import EFFORTS, Policy
from ponder.registry import split
from ponder.tasks.simulated import problems, simulated
from ponder.types import Usage
from ponder.verifiers.simulated import Imperfect

SOLVES = 48
"""How many fan-outs of each kind are recorded."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A part of the traffic: its name, its share of the queries, and how its queries fan out."""

    name: str
    share: float
    fanouts: tuple[Fanout, ...]

    @property
    def draws(self) -> float:
        """Mean draws a query."""
        return sum(map(len, self.fanouts)) / len(self.fanouts)

    @property
    def rounds(self) -> float:
        """Mean number of draws that wait for one another."""
        return sum(map(rounds, self.fanouts)) / len(self.fanouts)

    @property
    def usage(self) -> tuple[float, float, float]:
        """Means a query: prompt tokens submitted, those of them that were cached, completion tokens."""
        every = [draw for one in self.fanouts for draw in one]
        count = len(self.fanouts)
        prompt = sum(draw.prompt for draw in every) / count
        return prompt, prompt - sum(draw.new for draw in every) / count, sum(draw.tokens for draw in every) / count


def read(mix: str) -> list[tuple[str, float]]:
    """Strategies or efforts with their shares, which add up to 1: `direct=90,best-of-n(n=16)=10`. Raises `InputError`."""
    parts = [
        (one.strip(), 1.0) if one.strip().endswith(")") or "=" not in one else _share(one) for one in split(mix) if one.strip()
    ]
    total = sum(share for _, share in parts)
    if not total > 0:
        raise InputError(f"cannot read the mix {mix!r}: write strategies or efforts with shares, as direct=90,best-of-n(n=16)=10")
    return [(name, share / total) for name, share in parts]


def _share(part: str) -> tuple[str, float]:
    name, _, share = part.rpartition("=")
    try:
        return name.strip(), float(share)
    except ValueError:
        raise InputError(f"cannot read the share in {part!r}: write a number behind the last =, as best-of-n(n=16)=10") from None


async def traffic(
    mix: str, *, tokens: float = 500.0, prompt: float = 300.0, accuracy: float = 0.5, policy: Policy | None = None, seed: int = 0
) -> list[Kind]:
    """The kinds of a mix, with answers of `tokens` and questions of `prompt` tokens in the mean.

    `accuracy` is the mean chance that one sample is right, which decides where early stops stop; over problems it follows a Beta
    law with a concentration of 2 (uniform at .5). Efforts need a `policy`. Raises `InputError` for what cannot be read or run.
    """
    model = Simulated(seed, accuracy=(2 * accuracy, 2 * (1 - accuracy)), spread=0.8)
    plain = await recorded(problems(SOLVES, seed), model, strategy="direct", seed=seed)
    one, asked = sum(plan[0].tokens for plan in plain) / SOLVES, plain[0][0].prompt
    kinds = []
    for name, share in read(mix):
        if name in EFFORTS:
            found = await _effort(name, policy, seed)
        else:
            found = await recorded(problems(SOLVES, seed), model, strategy=name, verifier=_CHECK, seed=seed)
        kinds.append(Kind(name, share, tuple(scaled(plan, tokens / one, prompt, asked) for plan in found)))
    return kinds


_CHECK = Imperfect(simulated.verifier, tpr=1.0, fpr=0.0, name="check") if simulated.verifier else None


async def _effort(name: str, policy: Policy | None, seed: int) -> list[Fanout]:
    """What the policy's choices at an effort make of problems that are spread evenly over each bin's difficulties."""
    if policy is None:
        raise InputError(f"the effort {name!r} is what a policy buys: name one with --policy, as `ponder tune` has made it")
    plans = []
    for found in policy.bins:
        choice, (easy, hard) = found.efforts[name], found.difficulty
        asked = problems(max(8, SOLVES // len(policy.bins)), seed)
        for place, problem in enumerate(asked):
            difficulty = easy + (hard - easy) * (place + 0.5) / len(asked)
            model = Simulated(seed, accuracy=1 - difficulty, spread=0.8)
            plans += await recorded(
                [problem], model, strategy=choice.strategy, verifier=_CHECK, seed=seed, **dict(choice.parameters)
            )
    return plans


def usage(kind: Kind) -> Usage:
    """The mean usage of a query, in whole tokens."""
    prompt, cached, completion = kind.usage
    return Usage(round(kind.draws), round(prompt), round(cached), round(completion))


def only(kind: Kind) -> list[Kind]:
    """The traffic of which all is of one kind."""
    return [replace(kind, share=1.0)]
