"""What parallel strategies share: draw candidates, judge each as it finishes, and keep the choice so far as the anytime answer."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ponder import answers, budget, trace
from ponder.errors import BudgetExhausted, ModelError, VerifierError
from ponder.models.sample import Call, draws, sliding
from ponder.strategies import Select, parse
from ponder.types import Answer, Candidate, Model, Problem, Request, Sample, Score, Verifier
from ponder.verifiers.evidence import Evidence, evidence

Sampler = Callable[[Problem, Model, int], AsyncGenerator[Candidate, None]]
"""Gives so many candidates as they finish; those that failed have a sample with an error."""


def ask(problem: Problem, prefix: str = "", verifier: Verifier | None = None) -> Request:
    """The request that asks `problem` as its task samples; the run's seed comes from the trace.

    It asks for log-probabilities where the verifier reads them, which it says by a true attribute `logprobs`.
    """
    task, reads = problem.task, getattr(verifier, "logprobs", False)
    return Request(
        problem.messages,
        prefix,
        task.max_tokens,
        task.temperature,
        task.top_p,
        task.stop,
        seed=trace.current().seed,
        logprobs=reads or problem.logprobs,
        top_logprobs=problem.top_logprobs,
        fields=problem.fields,
    )


_Ran = tuple[int, Answer | BudgetExhausted | ModelError]


async def draw(
    problem: Problem, model: Model, n: int, verifier: Verifier | None = None, sampler: Sampler | None = None
) -> AsyncGenerator[Candidate, None]:
    """`n` candidates as they finish, each scored by `verifier` if there is one: independent draws, or what `sampler` gives.

    Failed draws are in the trace and are left out here. Raises `ModelError` when all of them failed.
    """
    failures: dict[int, str] = {}
    source = sampler(problem, model, n) if sampler else plain(problem, model, n, verifier)
    async with aclosing(source) as drawn:
        async for one in drawn:
            if one.sample.error is not None:
                failures[one.sample.index] = one.sample.error
                continue
            yield await judge(problem, one, verifier) if verifier else one
    if len(failures) == n:
        raise ModelError(f"all {n} draws from `{model.name}` failed; the first because: {failures[min(failures)]}")


def plain(
    problem: Problem, model: Model, n: int, verifier: Verifier | None, abreast: Callable[[], int] | None = None
) -> AsyncGenerator[Candidate, None]:
    """Independent draws as they finish, with the log-probabilities that the verifier reads; failed ones too."""
    return solutions(problem, model, ask(problem, verifier=verifier), range(n), abreast)


async def solutions(
    problem: Problem, model: Model, request: Request, indices: Iterable[int], abreast: Callable[[], int] | None = None
) -> AsyncGenerator[Candidate, None]:
    """The draws of a request as candidates, as they finish; those that failed or were cut have no answer."""
    async with aclosing(draws(model, request, indices, abreast=abreast)) as samples:
        async for sample in samples:
            ended = sample.error is None and not sample.cut
            yield Candidate(sample, final(problem, sample) if ended else None)


def final(problem: Problem, sample: Sample) -> str | None:
    """The final answer of a draw: the calls that it asks for, which are equal if their names and the values of their arguments are;
    else what its text says."""
    if sample.calls:
        return "\n".join(map(answers.called, sample.calls))
    return problem.task.extract(problem, sample.prefix + sample.text)


def over(spec: str, verifier: Verifier | None, abreast: Callable[[], int] | None = None) -> Sampler | None:
    """The sampler that runs another strategy: `think`, `dvts(beams=8)`; `leaves:dvts` for all its candidates; "" for none."""
    return partial(runs, verifier=verifier, spec=spec, abreast=abreast) if spec else None


async def runs(
    problem: Problem, model: Model, n: int, *, verifier: Verifier | None, spec: str, abreast: Callable[[], int] | None = None
) -> AsyncGenerator[Candidate, None]:
    """The answers of `n` independent runs of a strategy as they finish, or all their candidates; at most `abreast()` runs at once.

    Under a budget the first run goes alone, and shows how many may go at once without starving one another. A run that failed is a
    failed draw; the budget's first refusal is raised when the others have ended.
    """
    leaves, (inner, settings) = spec.startswith("leaves:"), parse(spec.removeprefix("leaves:"))
    meter, refusal = budget.current(), None
    limited = any(meter.limits(kind) for kind in ("tokens", "usd", "calls"))
    room, before = 1 if limited else n, meter.spent
    width = abreast or (lambda: n)
    calls = deque[Call[_Ran]](partial(_run, partial(inner, problem, model, verifier, **settings), index) for index in range(n))
    async with aclosing(sliding(calls, lambda: min(room, width()))) as finished:
        async for done in finished:
            index, ran = done.result()
            if limited and len(calls) == n - 1:
                room = max(1, int(min(n, meter.room(meter.spent - before))))
            if isinstance(ran, BudgetExhausted):
                refusal = refusal or ran
            elif isinstance(ran, ModelError):
                yield Candidate(Sample("", index, "error", error=str(ran)), None)
            else:
                several = ran.candidates if leaves else [_decided(ran)]
                for one in several:
                    yield replace(one, sample=replace(one.sample, index=index * len(several) + one.sample.index % len(several)))
    if refusal is not None:
        raise refusal


async def _run(running: Callable[[], Awaitable[Answer]], index: int) -> _Ran:
    """A run with a seed of its own (the first has the solve's); what leads it when the budget ends is its answer."""
    branch = trace.current().branch(index)
    with trace.tracing(branch):
        try:
            return index, await running()
        except BudgetExhausted as refusal:
            return index, branch.leading or refusal
        except ModelError as error:
            return index, error


def _decided(ran: Answer) -> Candidate:
    """What a run has chosen, without the score that it chose by."""
    found = next((one.sample for one in ran.candidates if one.sample.prefix + one.sample.text == ran.text), Sample(ran.text))
    return Candidate(found, ran.answer)


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
        scored(sample.event, verifier.name, evidence(verifier), score)
    return given


def scored(event: int | None, by: str, said: Evidence, score: Score) -> None:
    """Put a score of the draw with this event into the trace: whose it is, and what evidence."""
    trace.current().record("scored", event, verifier=by, evidence=said, value=score.value, steps=score.steps, error=score.error)


async def choose(
    problem: Problem,
    model: Model,
    n: int,
    select: Select,
    verifier: Verifier | None = None,
    sampler: Sampler | None = None,
    enough: Callable[[Sequence[Candidate]], bool] = lambda _: False,
) -> Answer:
    """Draw `n` candidates and let `select` choose among them; the choice among those so far is the anytime answer.

    Once those so far, in the order in which they finished, are `enough`, what is still in flight is cancelled.
    """
    canonical = functools.cache(problem.task.canonical)
    candidates: list[Candidate] = []
    leading: Answer | None = None
    async with aclosing(draw(problem, model, n, verifier, sampler)) as drawn:
        async for candidate in drawn:
            candidates.append(candidate)
            chosen = select(candidates, canonical)
            if chosen is not None:
                leading = trace.lead(answer(chosen, candidates))
            if enough(candidates):
                break
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
