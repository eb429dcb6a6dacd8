"""A policy: which strategy to run, by the difficulty of a problem and the budget, with the evidence for it. A file of JSON.

`lab.tune` writes it, `strategy auto` follows it, and people read it: `version task model verifier estimator bins[{difficulty,
choices[{budget, strategy, parameters, accuracy, interval, tokens, model, temperature}], efforts{name: a choice}}] efforts{name:
tokens} evidence`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from ponder.errors import InputError
from ponder.policy.difficulty import Estimator, bin_of
from ponder.types import Candidate, Problem

VERSION = 2
EFFORTS = ("minimal", "low", "medium", "high", "max")
SHIPPED = files("ponder.policy") / "shipped"


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run under a hard budget of computed tokens a problem (None: without one), and what it has been worth on its bin.

    `accuracy` is the mean with its 95 % `interval` over problems, `tokens` the mean spent. `model` is None for the policy's own,
    `temperature` for the task's.
    """

    budget: int | None
    strategy: str
    parameters: Mapping[str, Any]
    accuracy: float
    interval: tuple[float, float] | None
    tokens: float
    model: str | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Problems of like difficulty, 1 - P(one sample is right), between two edges.

    `choices` are those under hard budgets, ascending; `efforts` those by what a token is worth, which no budget limits.
    """

    difficulty: tuple[float, float]
    choices: tuple[Choice, ...]
    efforts: Mapping[str, Choice]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is best for the problems of `task` with `model` and `verifier` (None: without one).

    Without an `estimator` there is one bin. `efforts` gives the tokens that a problem takes at each effort in the mean; `evidence`
    what all was chosen by and how it did on problems that no choice has seen.
    """

    version: int
    task: str
    model: str
    verifier: str | None
    estimator: Estimator | None
    bins: tuple[Bin, ...]
    efforts: Mapping[str, float]
    evidence: Mapping[str, Any]

    @property
    def probe(self) -> int:
        """How many samples show the difficulty."""
        return self.estimator.probe if self.estimator else 0

    @property
    def edges(self) -> list[float]:
        """The difficulties between the bins."""
        return [one.difficulty[1] for one in self.bins[:-1]]

    def bin(self, difficulty: float | None) -> Bin:
        """The bin of a difficulty; of an unknown one, the hardest."""
        return self.bins[bin_of(self.edges, difficulty)]

    def difficulty(self, problem: Problem, probe: Sequence[Candidate]) -> float | None:
        """1 - P(one sample is right), as the estimator sees it; None where there is none or it cannot tell."""
        return self.estimator(problem, probe) if self.estimator else None

    def fits(self, task: str, model: str, verifier: str | None) -> bool:
        """Whether it was made for this task, model and verifier."""
        return (self.task, self.model, self.verifier) == (task, model, verifier)

    def write(self, path: Path) -> None:
        """As JSON that people can read. Raises `InputError` where the file cannot be written."""
        try:
            path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        except OSError as error:
            raise InputError(f"cannot write the policy to `{path}`: {error.strerror}; choose another --out") from error


def at(choices: Sequence[Choice], budget: float) -> Choice:
    """The choice at the greatest budget that is not above this one; below them all, the least."""
    return choices[max(0, bisect_right([one.budget or 0 for one in choices], budget) - 1)]


def read(path: Path) -> Policy:
    """The policy in a file. Raises `InputError` where there is none, it is damaged or its version is not ours."""
    try:
        return decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"cannot read the policy `{path}`: {error.strerror}; make one with `ponder tune`") from error


def decoded(text: bytes, name: str) -> Policy:
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            raise InputError(f"the policy `{name}` has version {version}, this program reads {VERSION}; run `ponder tune` again")
        policy = msgspec.json.decode(text, type=Policy)
    except msgspec.DecodeError as error:
        raise InputError(f"`{name}` is not a policy: {error}; make one with `ponder tune`") from error
    if not policy.bins or not all(one.choices and set(one.efforts) == set(EFFORTS) for one in policy.bins):
        raise InputError(f"the policy `{name}` has a bin without choices or efforts; make it again with `ponder tune`")
    return policy


def shipped(task: str, model: str, verifier: str | None) -> Policy | None:
    """The policy that ponder brings for this task, model and verifier, if it brings one."""
    policy = _brought(task)
    return policy if policy is not None and policy.fits(task, model, verifier) else None


@cache
def _brought(task: str) -> Policy | None:
    found = SHIPPED / f"{task}.json"
    return decoded(found.read_bytes(), found.name) if found.is_file() else None


def brought(models: Collection[str]) -> list[Policy]:
    """The policies that ponder brings for these models."""
    found = (decoded(one.read_bytes(), one.name) for one in sorted(SHIPPED.iterdir(), key=lambda one: one.name))
    return [policy for policy in found if policy.model in models]


class _Version(msgspec.Struct):
    version: int
