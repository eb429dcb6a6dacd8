"""What parallel strategies share: draw candidates, judge each as it finishes, and keep the choice so far as the anytime answer."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from ponder import trace
from ponder.errors import BudgetExhausted, ModelError, VerifierError
from ponder.models.sample import draws
from ponder.strategies import Select
from ponder.types import Answer, Candidate, Model, Problem, Request, Sample, Score, Verifier


def ask(problem: Problem, prefix: str = "", verifier: Verifier | None = None) -> Request:
    """The request that asks `problem` as its task samples; the run's seed comes from the trace.

    It asks for log-probabilities where the verifier reads them, which it says by a true attribute `logprobs`.
    """
    task, reads = problem.task, getattr(verifier, "logprobs", False)
    seed = trace.current().seed
    return Request(problem.messages, prefix, task.max_tokens, task.temperature, stop=task.stop, seed=seed, logprobs=reads)


async def draw(problem: Problem, model: Model, n: int, verifier: Verifier | None = None) -> AsyncGenerator[Candidate, None]:
    """`n` candidates as they finish, each scored by `verifier` if there is one.

    Failed draws are in the trace and are left out here. Raises `ModelError` when all of them failed.
    """
    failed: list[Sample] = []
    async with aclosing(draws(model, ask(problem, verifier=verifier), range(n))) as samples:
        async for sample in samples:
            if sample.error is not None:
                failed.append(sample)
                continue
            candidate = Candidate(sample, problem.task.extract(problem, sample.prefix + sample.text))
            yield await judge(problem, candidate, verifier) if verifier else candidate
    if len(failed) == n:
        first = min(failed, key=lambda sample: sample.index)
        raise ModelError(f"all {n} draws from `{model.name}` failed; the first because: {first.error}")


async def judge(problem: Problem, candidate: Candidate, verifier: Verifier) -> Candidate:
    """The candidate with its score."""
    [score] = await scores(problem, [candidate.sample], verifier)
    return replace(candidate, score=score)


async def scores(problem: Problem, samples: Sequence[Sample], verifier: Verifier) -> list[Score]:
    """The verifier's score of each sample, which goes into the trace; what the budget has no room to judge is unknown."""
    try:
        given = await verifier(problem, samples)
    except BudgetExhausted as refusal:
        given = [Score(None, error=str(refusal))] * len(samples)
    for sample, score in zip(samples, given, strict=True):
        trace.current().record(
            "scored", sample.event, verifier=verifier.name, value=score.value, steps=score.steps, error=score.error
        )
    return given


async def choose(problem: Problem, model: Model, n: int, select: Select, verifier: Verifier | None = None) -> Answer:
    """Draw `n` candidates and let `select` choose among them; the choice among those so far is the anytime answer."""
    canonical = functools.cache(problem.task.canonical)
    candidates: list[Candidate] = []
    leading: Answer | None = None
    async for candidate in draw(problem, model, n, verifier):
        candidates.append(candidate)
        chosen = select(candidates, canonical)
        if chosen is not None:
            leading = trace.lead(answer(chosen, candidates))
    return marked(leading or undecided(candidates, verifier))


def answer(chosen: Candidate, candidates: Sequence[Candidate]) -> Answer:
    """The chosen candidate as an answer, beside all the candidates in the order of their indices."""
    ordered = tuple(sorted(candidates, key=lambda candidate: candidate.sample.index))
    return Answer(chosen.answer, chosen.sample.prefix + chosen.sample.text, ordered)


def refused() -> BudgetExhausted | None:
    """The first refusal of the budget in this solve."""
    return next((BudgetExhausted(**event.data) for event in trace.current().events if event.kind == "refused"), None)


def marked(decided: Answer) -> Answer:
    """The answer, said to be stopped by the budget if that refused a draw."""
    return replace(decided, stopped="budget") if refused() else decided


def undecided(candidates: Sequence[Candidate], verifier: Verifier | None) -> Answer:
    """No candidate could be chosen: none has an answer to vote on, so the first one's text is returned; or none could be judged."""
    first = min(candidates, key=lambda candidate: candidate.sample.index)
    if verifier is not None and not refused() and all(candidate.value is None for candidate in candidates):
        why = first.score.error if first.score else None
        raise VerifierError(f"`{verifier.name}` could judge none of {len(candidates)} candidates; the first because: {why}")
    return answer(first, candidates)
