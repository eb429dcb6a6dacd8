"""ponder as tools for coding agents and desktop assistants, by the Model Context Protocol: `solve`, `verify` and `compare`.

Every call spends under the server's own limit, whatever it asks for, and tells its progress while it runs: tokens spent, draws
made, the leading answer. A client that cancels a call stops its draws.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Annotated, Any

import msgspec

import ponder
from ponder import tasks, trace, verifiers
from ponder.budget import Budget
from ponder.errors import InputError, MissingExtra, PonderError
from ponder.models.catalog import opened
from ponder.serve.compute import allowed, within
from ponder.strategies import parse
from ponder.trace import Event
from ponder.types import Model, Sample, Usage

Report = Callable[[float, str], Awaitable[None]]
"""Told the tokens spent so far, and a sentence."""

EVERY = 0.2  # seconds between two reports

INSTRUCTIONS = (
    "ponder spends inference compute where it pays: it draws many answers from a model, checks or votes, and says what that cost. "
    "Use `solve` for a hard question with a definite answer, `verify` to have candidate answers judged, and `compare` to see what "
    "several strategies answer at what cost. Budgets are hard: 4000 (tokens), $0.02, 30s, or several joined by commas."
)


@dataclass(frozen=True)
class Bench:
    """What the tools work with: a model by name or opened (None: each task's own), who judges, and the most a call may spend."""

    model: str | Model | None = None
    verifier: str | None = None
    cap: Budget = Budget(seconds=600.0)

    async def solve(
        self, report: Report, question: str, budget: str | None, strategy: str | None, samples: int | None
    ) -> dict[str, Any]:
        """The answer and what it cost. Raises InputError for a wrong name or value, BudgetExhausted where it buys no answer."""
        more: dict[str, Any] = {} if samples is None else {"n": samples}
        if strategy is not None:
            allowed(*parse(strategy))
        events: list[Event] = []
        began, told, seen = time.monotonic(), 0.0, Seen()
        limits = within(self.cap, Budget.parse(budget)) if budget else self.cap
        asked = {"model": self.model, "strategy": strategy, "verifier": self.verifier, "budget": limits} | more
        async for event in ponder.stream(question, **asked):
            events.append(event)
            seen.hear(event)
            if event.kind in ("drawn", "leading") and time.monotonic() - told >= EVERY:
                told = time.monotonic()
                await report(seen.tokens, str(seen))
        await report(seen.tokens, str(seen))
        cost = trace.cost(events, time.monotonic() - began)
        started, end = events[0].data, events[-1].data
        return {
            "answer": end["answer"], "text": end["text"], "stopped": end["stopped"], "strategy": started["strategy"],
            "model": started["model"], "tokens": cost.tokens, "usd": cost.usd, "seconds": round(cost.seconds, 3),
            "draws": seen.draws, "usage": {role: msgspec.to_builtins(used) for role, used in trace.usage(events).items()},
        }  # fmt: skip

    async def verify(self, question: str, answers: list[str], verifier: str | None) -> list[dict[str, Any]]:
        """Each answer's judgement: `value` in [0, 1], or null where it cannot be told, and why."""
        problem = tasks.problem(question)
        if verifier is not None and verifier != self.verifier and verifier not in verifiers.verifiers.names():
            known = ", ".join([*verifiers.verifiers.names(), *filter(None, [self.verifier])])
            raise InputError(f"the verifier {verifier!r} is not offered here; there are {known}")
        async with verifiers.opened(verifier or self.verifier, problem.task) as judge:
            if judge is None:
                raise InputError("nothing can judge answers to this question; start the server with --verifier, as judge:MODEL")
            scores = await judge(problem, [Sample(answer, index=number) for number, answer in enumerate(answers)])
        return [{"answer": answer, "value": one.value, "why": one.error} for answer, one in zip(answers, scores, strict=True)]

    async def compare(self, report: Report, question: str, strategies: list[str], budget: str | None) -> list[dict[str, Any]]:
        """What each strategy answers, each under the same budget of its own."""
        rows: list[dict[str, Any]] = []
        for name in strategies:
            spent = sum(row["tokens"] for row in rows)

            async def told(tokens: float, sentence: str, name: str = name, spent: int = spent) -> None:
                await report(spent + tokens, f"{name}: {sentence}")

            rows.append(await self.solve(told, question, budget, name, None))
        return [{"strategy": name} | row for name, row in zip(strategies, rows, strict=True)]


@dataclass
class Seen:
    """What has happened in a solve."""

    draws: int = 0
    tokens: int = 0
    leading: str | None = None

    def hear(self, event: Event) -> None:
        if event.kind == "drawn":
            self.draws += 1
            self.tokens += Usage(**event.data["usage"]).computed if event.data["role"] != "replayed" else 0
        elif event.kind == "leading":
            self.leading = event.data["answer"] or event.data["text"]

    def __str__(self) -> str:
        leading = "" if self.leading is None else f", leading: {' '.join(self.leading.split())[:60]}"
        return f"{self.draws} draws, {self.tokens:,} tokens{leading}"


def _reporting(context: Any, cap: Budget, budget: str | None) -> Report:
    """Progress notifications, of the tokens that the budget allows."""
    total = (Budget.parse(budget) if budget else cap).tokens

    async def report(tokens: float, sentence: str) -> None:
        await context.report_progress(tokens, total, sentence)

    return report


def _told(tool: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The tool, whose errors of ours the caller is told: they say what to do."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    async def telling(*args: Any, **arguments: Any) -> dict[str, Any]:
        try:
            return await tool(*args, **arguments)
        except PonderError as error:
            raise ToolError(str(error)) from error

    return telling


def server(bench: Bench) -> Any:
    """An `MCPServer` with the three tools. Raises MissingExtra."""
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver import Context
        from pydantic import Field
    except ImportError:
        raise MissingExtra("mcp", "mcp") from None

    made = MCPServer("ponder", instructions=INSTRUCTIONS, version=ponder.__version__)

    async def solve(
        question: Annotated[str, Field(description="what is asked, in words")],
        context: Context,
        budget: Annotated[str | None, Field(description="a hard limit: 4000 (tokens), $0.02, 30s, or joined by commas")] = None,
        strategy: Annotated[str | None, Field(description="such as self-consistency or best-of-n(n=16); by default auto")] = None,
        samples: Annotated[int | None, Field(description="how many samples the strategy may draw", ge=1, le=256)] = None,
    ) -> dict[str, Any]:
        """Answer a hard question with the best that a budget buys; says what it cost."""
        return await bench.solve(_reporting(context, bench.cap, budget), question, budget, strategy, samples)

    async def verify(
        question: Annotated[str, Field(description="what was asked")],
        answers: Annotated[list[str], Field(description="candidate answers, with or without their reasoning", min_length=1)],
        verifier: Annotated[str | None, Field(description="who judges; by default the server's or the task's own")] = None,
    ) -> dict[str, Any]:
        """Judge candidate answers: a value in [0, 1] for each, or null where it cannot be told."""
        return {"scores": await bench.verify(question, answers, verifier)}

    async def compare(
        question: Annotated[str, Field(description="what is asked")],
        strategies: Annotated[list[str], Field(description="names such as direct or self-consistency(n=16)", min_length=2)],
        context: Context,
        budget: Annotated[str | None, Field(description="a hard limit for each strategy")] = None,
    ) -> dict[str, Any]:
        """Let several strategies answer the same question, each under the same budget, and see answers and costs side by side."""
        return {"rows": await bench.compare(_reporting(context, bench.cap, None), question, strategies, budget)}

    for tool in (solve, verify, compare):
        made.tool()(_told(tool))
    return made


async def serve(bench: Bench) -> None:
    """Talk over stdin and stdout until the client closes them; the model is opened once."""
    if bench.model is None:
        await server(bench).run_stdio_async()
        return
    async with opened(bench.model) as model:
        await server(replace(bench, model=model)).run_stdio_async()
