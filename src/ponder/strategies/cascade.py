"""The cheap model first, and a stronger one only where the cheap one's answer is not sure."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ponder import answers, budget, trace
from ponder.budget import Budget, Charge
from ponder.errors import BudgetExhausted, InputError, ModelError, PonderError, VerifierError
from ponder.proportion import ahead
from ponder.strategies import Select, strategy
from ponder.strategies.draw import answer, choose, marked, over
from ponder.strategies.others import others
from ponder.strategies.parallel import best
from ponder.types import Answer, Candidate, Model, Problem, Verifier


@dataclass(frozen=True, slots=True)
class Plan:
    """What every stage does: `n` draws, or runs of `sampler`, and a choice among them by the verifier, or by vote."""

    problem: Problem
    verifier: Verifier | None
    n: int
    sampler: str

    @property
    def select(self) -> Select:
        return best if self.verifier else answers.majority

    def confidence(self, chosen: Candidate, candidates: Sequence[Candidate]) -> float | None:
        """The verifier's score; without one, the probability that the vote's leader is ahead of its rival. None: unknown."""
        if self.verifier:
            return chosen.value
        votes = sorted(map(len, answers.classes(candidates, self.problem.task.canonical).values()), reverse=True)
        return ahead(votes[0], votes[1] if len(votes) > 1 else 0) if votes else None


@dataclass(frozen=True, slots=True)
class Stage:
    """What a model came to, or why it came to nothing: the budget's refusal, or its own failure."""

    chosen: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()
    confidence: float | None = None
    failure: PonderError | None = None


@strategy("cascade", paper="Chen 2023 (FrugalGPT)")
async def cascade(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    also: str = "",
    n: int = 8,
    threshold: float = 0.8,
    sampler: str = "",
) -> Answer:
    """Ask the first model, and those named in `also` in turn only where it is not sure (FrugalGPT, Chen et al. 2023).

    A stage is best-of-n with a verifier, else a vote, of `n` draws or runs of `sampler`. It is sure if the verifier's score, or the
    probability that the vote's leader is ahead (Beta posterior, as in Adaptive-Consistency: 8 of 8 .998, 5 of 8 against 3 .75), is
    `threshold` or more; what failed or is unknown is not. `also`: models joined by `+`, weakest first. Of what is left of every
    limit, a stage with s stages to come may spend 1 / (s + 1), and the last one all. The highest score stands, without a verifier
    the last stage's answer; each stage's leads when it ends. Departs from the paper: no scorer is trained, and the list and its
    thresholds are chosen apart (`policy.cascade`). Raises `ModelError` or `VerifierError` if no stage has an answer.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"cascade needs a threshold between 0 (the first model answers) and 1, and not {threshold!r}")
    plan, stages = Plan(problem, verifier, n, sampler), list[Stage]()
    async with others(also) as stronger:
        for one in (models := [model, *stronger.values()]):
            left = len(models) - len(stages)
            stages.append(stage := await _stage(plan, one, left, _drawn(stages)))
            if stage.chosen:
                trace.lead(_decide(stages))
            event = _record(one, stage)
            if left == 1 or (stage.confidence is not None and stage.confidence >= threshold):
                break
            to = models[len(stages)].name
            trace.current().record("escalated", event, model=one.name, to=to, confidence=stage.confidence, threshold=threshold)
    return _decide(stages)


async def _stage(plan: Plan, model: Model, left: int, base: int) -> Stage:
    """One model's candidates, numbered from `base` on, within its part of the budget."""
    branch, part = trace.current().branch(0), _part(left)
    try:
        with budget.spending(part), trace.tracing(branch):
            sampler = over(plan.sampler, plan.verifier)
            ran = await choose(plan.problem, model, plan.n, plan.select, plan.verifier, sampler)
    except (BudgetExhausted, ModelError, VerifierError) as error:
        if branch.leading is None:
            return Stage(failure=error)
        ran = branch.leading
    candidates = tuple(replace(one, sample=replace(one.sample, index=base + one.sample.index)) for one in ran.candidates)
    chosen = plan.select(candidates, functools.cache(plan.problem.task.canonical)) or candidates[0]
    return Stage(chosen, candidates, plan.confidence(chosen, candidates))


def _record(model: Model, stage: Stage) -> int:
    """What the model came to, in the trace: also of a stage that was sure, so that thresholds can be chosen from traces."""
    answered = stage.chosen.answer if stage.chosen else None
    event = stage.chosen.sample.event if stage.chosen else None
    why = None if stage.failure is None else str(stage.failure)
    return trace.current().record("assessed", event, model=model.name, answer=answered, confidence=stage.confidence, error=why)


def _part(stages: int) -> Budget:
    """An equal part, for each of so many stages, of what is left of every limit; the last needs no limit of its own."""
    meter = budget.current()
    if stages == 1:
        return Budget()
    whole = meter.without(Charge())
    seconds = meter.deadline - time.monotonic()
    if seconds <= 0:
        raise meter.out_of_time()
    return Budget(
        tokens=None if whole.tokens is None else max(1, whole.tokens // stages),
        usd=None if whole.usd is None else whole.usd / stages,
        seconds=None if seconds == float("inf") else seconds / stages,
        calls=None if whole.calls is None else max(1, whole.calls // stages),
    )


def _drawn(stages: Sequence[Stage]) -> int:
    """The first free index."""
    return max((one.sample.index + 1 for stage in stages for one in stage.candidates), default=0)


def _decide(stages: Sequence[Stage]) -> Answer:
    """The highest score, the later stage's where they are equal; without a verifier the last stage that has an answer."""
    found = [stage.chosen for stage in stages if stage.chosen]
    if not found:
        failures = [stage.failure for stage in stages if stage.failure]
        raise next((one for one in failures if isinstance(one, BudgetExhausted)), failures[-1])
    chosen = max(enumerate(found), key=lambda one: (one[1].answer is not None, one[1].value or 0.0, one[0]))[1]
    return marked(answer(chosen, [one for stage in stages for one in stage.candidates]))
