"""Inside `inspect_ai`: models of `ponder models` as a provider, strategies as a solver, tasks with their own graders.

    inspect eval ponder/benchmark -T name=countdown-4 --model ponder/builtin:mini --solver ponder/pondering -S strategy=best-of-n

`inspect_ai` loads this by the entry point `ponder` of its group. The provider is `ponder/NAME`; the solver asks the model under
evaluation, whoever provides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import nan
from typing import Any

from inspect_ai import Task as InspectTask
from inspect_ai import task
from inspect_ai.dataset import MemoryDataset
from inspect_ai.dataset import Sample as InspectSample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    get_model,
    modelapi,
)
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.scorer import accuracy, scorer, stderr
from inspect_ai.solver import generate, solver

import ponder
from ponder import budget, tasks, trace
from ponder.errors import InputError, ModelError
from ponder.models import catalog
from ponder.models.sample import claim, draws
from ponder.trace import Trace
from ponder.types import Abilities, Chunk, FinishReason, Message, Model, Price, Problem, Request, Sample, Usage

_ENDED: dict[FinishReason, str] = {"stop": "stop", "length": "max_tokens"}
_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}


class Provider(ModelAPI):  # type: ignore[misc]
    """A model of ponder's, opened at the first question. The same question asked again is another draw."""

    def __init__(self, model_name: str, base_url: str | None = None, api_key: str | None = None, **settings: Any) -> None:
        super().__init__(model_name, base_url, api_key, [], settings.pop("config", GenerateConfig()))
        self._name = f"{model_name}@{base_url}" if base_url else model_name
        self._trace = Trace()
        self._opening: tuple[asyncio.AbstractEventLoop, asyncio.Task[Model]] | None = None
        self._open = AsyncExitStack()

    async def opened(self) -> Model:
        """The model itself; another event loop opens it anew, since the one that it was opened in has ended it."""
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening[0] is not loop:
            self._open = AsyncExitStack()
            self._opening = loop, loop.create_task(self._open.enter_async_context(catalog.opened(self._name)))
        return await asyncio.shield(self._opening[1])

    async def generate(self, input: list[Any], tools: list[Any], tool_choice: Any, config: Any) -> Any:  # noqa: A002, ARG002
        """Answer the messages; `num_choices` are as many draws. Raises InputError where tools are to be called."""
        if tools:
            raise InputError(f"`{self._name}` calls no tools, and {len(tools)} are given; take a task without tools")
        model = await self.opened()
        request = Request(
            tuple(Message(one.role, one.text) for one in input),
            max_tokens=config.max_tokens or 512,
            temperature=0.7 if config.temperature is None else config.temperature,
            top_p=1.0 if config.top_p is None else config.top_p,
            stop=tuple(config.stop_seqs or ()),
            seed=config.seed or 0,
        )
        with trace.tracing(self._trace):
            indices = claim(model, request, config.num_choices or 1)
            samples = [one async for one in draws(model, request, dict.fromkeys(indices))]
        failed = next((one.error for one in samples if one.error), None)
        if failed:
            raise ModelError(f"`{self._name}` failed: {failed}")
        return _output(self._name, sorted(samples, key=lambda one: one.index))

    async def aclose(self) -> None:
        self._opening = None
        await self._open.aclose()


def _output(name: str, samples: Sequence[Sample]) -> Any:
    usage = sum((one.usage for one in samples), Usage())
    return ModelOutput(
        model=name,
        choices=[
            ChatCompletionChoice(
                message=ChatMessageAssistant(content=one.text, model=name), stop_reason=_ENDED.get(one.finish_reason, "unknown")
            )
            for one in samples
        ],
        usage=ModelUsage(
            input_tokens=usage.prompt - usage.cached,
            output_tokens=usage.completion,
            total_tokens=usage.prompt + usage.completion,
            input_tokens_cache_read=usage.cached,
        ),
    )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The model under evaluation, whoever provides it, as one of ponder's: whole answers, and nothing but what they cost."""

    model: Any
    abilities: Abilities = field(default_factory=lambda: Abilities(names_stop=False))
    price: Price | None = None
    parameters: int | None = None
    concurrency: int = 16

    @property
    def name(self) -> str:
        return str(self.model)

    @property
    def fingerprint(self) -> str:
        return self.name

    def prompt_tokens(self, request: Request) -> int:
        """At most a token a byte, and some for each message's frame."""
        return sum(len(one.content.encode()) + 16 for one in request.messages)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        asked = [_MESSAGES[one.role](content=one.content) for one in request.messages]
        config = GenerateConfig(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed % 2**31,
            stop_seqs=list(request.stop) or None,
        )
        output = await self.model.generate(asked, config=config, cache=False)
        used = output.usage
        usage = (
            Usage(1, used.total_tokens - used.output_tokens, used.input_tokens_cache_read or 0, used.output_tokens)
            if used
            else None
        )
        yield Chunk(output.completion, finish_reason="length" if output.stop_reason == "max_tokens" else "stop", usage=usage)

    async def close(self) -> None:
        """It belongs to inspect_ai."""


def _pondering(
    strategy: str = "self-consistency", verifier: str | None = None, name: str | None = None, seed: int = 0, **parameters: Any
) -> Any:
    """Solve each sample by a strategy of `ponder strategies`; `parameters` are its own and those of `ponder.solve`, as `budget`.

    A sample of `ponder/benchmark` is that very problem. Others are recognised by their words, or are questions of the task `name`,
    which says how answers are found and compared.
    """

    async def solve(state: Any, generate: Any) -> Any:  # noqa: ARG001
        api = get_model().api
        model: Model = await api.opened() if isinstance(api, Provider) else Evaluated(get_model())
        answer = await ponder.solve(
            _problem(state, name), model=model, strategy=strategy, verifier=verifier, seed=seed, **parameters
        )
        state.output = ModelOutput.from_content(model.name, answer.text)
        state.messages.append(state.output.message)
        state.metadata["ponder"] = {
            "answer": answer.answer,
            "stopped": answer.stopped,
            "candidates": len(answer.candidates),
            "tokens": answer.cost.tokens,
            "oracle": answer.oracle,
        }
        return state

    return solve


def _problem(state: Any, name: str | None) -> Problem:
    known = _known.get(str(state.sample_id))
    if known is not None:
        return known
    messages = tuple(Message(one.role, one.text) for one in state.messages)
    if name is not None:
        return Problem(str(state.sample_id), messages, tasks.get(name))
    found = tasks.recognise(messages[-1].content) if len(messages) == 1 else None
    return found or Problem(str(state.sample_id), messages, tasks.get("free"))


_known: dict[str, Problem] = {}
"""The problems of the benchmarks that have been made, by their ids."""


def _graded() -> Any:
    """The problem's own verifier grades the completion; what it cannot tell is NaN, which inspect_ai leaves out."""

    async def score(state: Any, target: Any) -> Any:  # noqa: ARG001
        problem = _known[str(state.sample_id)]
        assert problem.task.verifier
        with trace.tracing(Trace()), budget.spending(budget.Budget()):
            [found] = await problem.task.verifier(problem, [Sample(state.output.completion)])
        value = nan if found.value is None else found.value
        return InspectScore(value=value, answer=problem.task.extract(problem, state.output.completion), explanation=found.error)

    return score


def _benchmark(name: str, split: str | None = None, limit: int | None = None) -> Any:
    """A task of `ponder tasks`, graded as ponder grades it."""
    chosen = tasks.get(name)
    if chosen.verifier is None:
        raise InputError(f"the task `{name}` has no verifier of its own to grade with; take one of `ponder tasks` that has")
    problems = chosen.load(split or chosen.splits[0], limit)
    _known.update({one.id: one for one in problems})
    rows = [
        InspectSample(
            id=one.id, input=[_MESSAGES[each.role](content=each.content) for each in one.messages], target=one.reference or ""
        )
        for one in problems
    ]
    settings = {"max_tokens": chosen.max_tokens, "temperature": chosen.temperature, "top_p": chosen.top_p}
    return InspectTask(
        dataset=MemoryDataset(rows, name=name),
        solver=generate(),
        scorer=graded(),
        config=GenerateConfig(**settings, stop_seqs=list(chosen.stop) or None),
        name=f"ponder-{name}",
    )


modelapi(name="ponder")(Provider)
pondering = solver(name="pondering")(_pondering)
graded = scorer(metrics=[accuracy(), stderr()], name="graded")(_graded)
benchmark = task(name="benchmark")(_benchmark)
