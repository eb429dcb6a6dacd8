"""Who judges, by name.

    task  exact  math  choice  code        what reads a reference or tests, and the task's own
    builtin:mini-prm  prm:MODEL  prm/turns:MODEL  orm:MODEL        a language model's log-probabilities

A MODEL is any name of `ponder models`. Other packages add verifiers by the entry-point group `ponder.verifiers`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ponder.errors import InputError
from ponder.models import catalog
from ponder.registry import Registry
from ponder.types import Model, Task, Verifier

verifiers: Registry[Verifier] = Registry(
    "verifier",
    "ponder.verifiers",
    {name: f"ponder.verifiers.{name}:{name}" for name in ("choice", "code", "exact", "math")},
)


@asynccontextmanager
async def opened(spec: str | Verifier | None, task: Task) -> AsyncIterator[Verifier | None]:
    """The verifier called `spec`, whose model, if it has one, is closed at the end; a verifier object is its owner's to close.

    None means the task's own where it may choose, `task` the task's own whatever it reads. Raises InputError for an unknown name.
    """
    if not isinstance(spec, str):
        yield spec or task.chooser
        return
    kind, colon, rest = spec.partition(":")
    if not colon:
        yield named(spec, task)
        return
    judging = _judging(kind, spec)
    async with catalog.opened(spec if kind == "builtin" else rest) as model:
        yield judging(model)


def named(spec: str, task: Task) -> Verifier:
    """A verifier that needs no model; `task` is the task's own. Raises InputError if there is none of that name."""
    if spec != "task":
        return verifiers.get(spec)
    if task.verifier is None:
        raise InputError(f"the task `{task.name}` has no verifier of its own; choose one of {', '.join(verifiers.names())}")
    return task.verifier


def _judging(kind: str, spec: str) -> Callable[[Model], Verifier]:
    """How a model judges."""
    from ponder.verifiers.prm import Generative, inline, question, turns, whole

    kinds: dict[str, Callable[[Model], Verifier]] = {
        "builtin": lambda model: Generative(model, inline, name=spec),
        "prm": lambda model: Generative(model, question, name=spec),
        "prm/turns": lambda model: Generative(model, turns, name=spec),
        "orm": lambda model: Generative(model, whole, outcome=True, name=spec),
    }
    if kind not in kinds:
        raise InputError(f"there is no kind of verifier called `{kind}`, in {spec!r}; there are {', '.join(kinds)}")
    return kinds[kind]
