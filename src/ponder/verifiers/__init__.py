"""Who judges, by name.

    task  exact  math  choice  code  examples       the task's own; what reads a reference or tests
    instruction  instruction-loose                  the prompt's own instructions, by rule (instruction)
    builtin:mini-prm  prm:MODEL  prm/turns:MODEL    a language model's judgement of each step (prm), or of the whole (orm:MODEL)
    prm:FOLDER  orm:FOLDER  prm:FILE.gguf           a Hugging Face reward head (heads); what `ponder train prm` made of builtin:mini
    pooling:URL  classify:URL  score:URL            a served reward model (served)
    judge:MODEL  genrm:MODEL                        a model that grades, or reasons and says yes or no (judge)
    confidence:tail                                 the sampler's own log-probabilities: mean, lowest, bottom, tail (confidence)
    ensemble:mean(A,B)                              several as one: mean, veto, agreement (ensemble)

A MODEL is any name of `ponder models`. Other packages add verifiers by the entry-point group `ponder.verifiers`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path

from ponder.errors import InputError
from ponder.models import catalog
from ponder.registry import Registry, split
from ponder.types import Model, Task, Verifier

verifiers: Registry[Verifier] = Registry(
    "verifier",
    "ponder.verifiers",
    {name: f"ponder.verifiers.{name}:{name}" for name in ("choice", "code", "exact", "instruction", "math")}
    | {"examples": "ponder.verifiers.code:examples", "instruction-loose": "ponder.verifiers.instruction:loose"},
)

KINDS = (
    "builtin", "prm", "prm/turns", "orm", "pooling", "classify", "score", "judge", "genrm", "confidence", "ensemble",
)  # fmt: skip
"""What may stand before the colon."""


def opened(spec: str | Verifier | None, task: Task) -> AbstractAsyncContextManager[Verifier | None]:
    """The verifier called `spec`, whose models, if it has any, are closed at the end; a verifier object is its owner's to close.

    None means the task's own where it may choose, `task` the task's own whatever it reads. Raises InputError for an unknown name.
    """
    return _opened(spec.strip(), task) if isinstance(spec, str) else nullcontext(spec or task.chooser)


@asynccontextmanager
async def _opened(spec: str, task: Task) -> AsyncIterator[Verifier]:
    async with AsyncExitStack() as stack:
        yield await _open(spec, task, stack)


def named(spec: str, task: Task) -> Verifier:
    """A verifier that needs no model; `task` is the task's own. Raises InputError if there is none of that name."""
    if spec != "task":
        return verifiers.get(spec)
    if task.verifier is None:
        raise InputError(f"the task `{task.name}` has no verifier of its own; choose one of {', '.join(verifiers.names())}")
    return task.verifier


async def _open(spec: str, task: Task, stack: AsyncExitStack) -> Verifier:
    kind, colon, rest = spec.partition(":")
    if not colon:
        return named(spec, task)
    if kind not in KINDS or not rest:
        raise InputError(f"there is no verifier {spec!r}; before the colon stands one of {', '.join(KINDS)}")
    if kind == "confidence":
        from ponder.verifiers.confidence import Confidence

        return Confidence(rest)
    if kind == "ensemble":
        from ponder.verifiers.ensemble import Ensemble

        how, _, members = rest.removesuffix(")").partition("(")
        return Ensemble(tuple([await _open(one.strip(), task, stack) for one in split(members) if one.strip()]), how)
    if kind in ("pooling", "classify", "score") or (kind in ("prm", "orm") and Path(rest).is_dir()):
        return await _reward(kind, rest, spec, stack)
    trained = kind == "prm" and Path(rest).is_file()
    name = spec if kind == "builtin" else f"openvino:{rest}" if trained else rest
    model = await stack.enter_async_context(catalog.opened(name))
    return _judging("builtin" if trained else kind, model, spec)


async def _reward(kind: str, rest: str, spec: str, stack: AsyncExitStack) -> Verifier:
    """A reward model, which answers with numbers."""
    from ponder.verifiers.heads import Heads
    from ponder.verifiers.reward import Reward
    from ponder.verifiers.served import Served

    model: Model
    match kind:
        case "pooling" | "classify" | "score":
            model = Served(rest, api=kind)
        case _:
            model = Heads(rest, format="outcome" if kind == "orm" else None)
    stack.push_async_callback(model.close)
    return Reward(model, name=spec)


def _judging(kind: str, model: Model, spec: str) -> Verifier:
    """A language model as a judge."""
    from ponder.verifiers.judge import GenRM, Judge
    from ponder.verifiers.prm import Generative, inline, question, turns, whole

    match kind:
        case "judge":
            return Judge(model)
        case "genrm":
            return GenRM(model)
        case "orm":
            return Generative(model, whole, outcome=True, name=spec)
        case _:
            return Generative(model, {"builtin": inline, "prm/turns": turns}.get(kind, question), name=spec)
