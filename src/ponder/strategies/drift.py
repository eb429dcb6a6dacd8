"""A guard against task drift: the answer is checked against the prompt's own instructions, and repaired once where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ponder import trace
from ponder.errors import BudgetExhausted, ModelError
from ponder.strategies import parse, strategy
from ponder.strategies.attempts import attempt
from ponder.strategies.draw import answer, judge, marked
from ponder.types import Answer, Candidate, Model, Problem, Sample, Verifier
from ponder.verifiers import prose
from ponder.verifiers.constraint import Constraint
from ponder.verifiers.instruction import read

PASS = 0.5  # the least score of a verifier that is no fault

_REPAIR = (
    "Your answer does not do what was asked:\n\n{faults}\n\nWrite the whole answer again so that it does, and change nothing else. "
    "Say nothing before or after it."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A candidate, and what is wrong with it: by each rule that it breaks, and by the verifier if there is one."""

    candidate: Candidate
    broken: tuple[str, ...]

    @property
    def rejected(self) -> bool:
        value = self.candidate.value
        return value is not None and value < PASS

    @property
    def faults(self) -> tuple[str, ...]:
        score = self.candidate.score
        return (*self.broken, f"a judge rejects it: {score.error or score.value}") if score and self.rejected else self.broken


@strategy("drift-check", paper="a guard; Zhou 2023 (IFEval) for its rules")
async def drift_check(problem: Problem, model: Model, verifier: Verifier | None, *, sampler: str = "") -> Answer:
    """Check the answer of `sampler` (a plain draw for "") against the prompt's own instructions, and repair it once if it fails.

    Instructions that a rule can check are read in the prompt (`verifiers.extraction`), and checked by rule. What no rule covers is
    the verifier's, which must give 0.5; without one it stays unchecked, and the event `checked` says what that is. Where the answer
    fails, the sampler's other candidates may take its place, for nothing; then one draw, told what exactly is wrong.

    Either is taken only if it fails fewer checks and, in a task whose answers can be right or wrong, means the same answer, unless
    the verifier has rejected that. The event `repaired` holds the text before and after, and whether it was taken. Where the budget
    has no room for a repair, the answer stands.
    """
    ran = await _sampled(problem, model, verifier, sampler)
    asked = read(problem)
    decided = next((one for one in ran.candidates if (_text(one), one.answer) == (ran.text, ran.answer)), None)
    chosen = _checked(asked, decided or Candidate(Sample(ran.text), ran.answer))
    if chosen.broken:
        others = [other for one in ran.candidates if _takes(problem, chosen, other := _checked(asked, one))]
        if others:
            best = min(others, key=lambda one: len(one.faults))
            chosen = _settle(problem, chosen, best, ran.candidates, "candidate")
    if verifier is not None and chosen.candidate.score is None:
        chosen = replace(chosen, candidate=await judge(problem, chosen.candidate, verifier))
    _record(problem, asked, chosen, verifier)
    if chosen.faults:
        chosen, ran = await _repaired(problem, model, verifier, asked, chosen, ran)
    checked = trace.lead(answer(chosen.candidate, ran.candidates))
    return replace(checked, stopped=ran.stopped) if ran.stopped == "budget" else marked(checked)


async def _sampled(problem: Problem, model: Model, verifier: Verifier | None, sampler: str) -> Answer:
    """The sampler's answer, or what led it when the budget ended."""
    inner, settings = parse(sampler or "direct")
    try:
        return await inner(problem, model, verifier, **settings)
    except BudgetExhausted:
        leading = trace.current().leading
        if leading is None:
            raise
        return replace(leading, stopped="budget")


async def _repaired(
    problem: Problem, model: Model, verifier: Verifier | None, asked: Sequence[Constraint], chosen: Checked, ran: Answer
) -> tuple[Checked, Answer]:
    """What stands after one repair, and the answer with the repair among its candidates; unchanged where the draw failed."""
    told = _REPAIR.format(faults="\n".join(f"- {fault}" for fault in chosen.faults))
    number = max((one.sample.index for one in ran.candidates), default=-1) + 1
    try:
        drawn = await attempt(problem, model, (_text(chosen.candidate), told), number, verifier, chosen.candidate.sample.event)
    except ModelError:
        return chosen, ran
    repair = _checked(asked, drawn)
    _record(problem, asked, repair, verifier)
    ran = replace(ran, candidates=(*ran.candidates, drawn))
    return _settle(problem, chosen, repair, ran.candidates, "draw"), ran


def _text(candidate: Candidate) -> str:
    return candidate.sample.prefix + candidate.sample.text


def _checked(asked: Sequence[Constraint], candidate: Candidate) -> Checked:
    return Checked(candidate, tuple(fault for one in asked if (fault := one.fault(_text(candidate))) is not None))


def _takes(problem: Problem, before: Checked, after: Checked) -> bool:
    """Whether `after` may take the place of `before`: it fails fewer checks, and no answer is lost that may have been right."""
    graded, old, new = problem.task.verifier is not None, before.candidate.answer, after.candidate.answer
    same = old is None or (new is not None and problem.task.canonical(old) == problem.task.canonical(new))
    return len(after.faults) < len(before.faults) and (same or before.rejected or not graded)


def _settle(problem: Problem, before: Checked, after: Checked, candidates: Sequence[Candidate], by: str) -> Checked:
    """The one of the two that stands, and an event that says which and why."""
    taken = _takes(problem, before, after)
    trace.current().record(
        "repaired", after.candidate.sample.event,
        by=by, taken=taken, before=_text(before.candidate), after=_text(after.candidate), faults=(before.faults, after.faults),
    )  # fmt: skip
    if taken:
        trace.lead(answer(after.candidate, candidates))
    return after if taken else before


def _record(problem: Problem, asked: Sequence[Constraint], one: Checked, verifier: Verifier | None) -> None:
    """What was checked, what failed, and the sentences of the prompt that nothing covers."""
    words = [part for constraint in asked for part in constraint.words.split(" … ")]
    silent = [] if verifier else [said for said in prose.sentences(problem.question) if not any(part in said for part in words)]
    kinds = [constraint.kind for constraint in asked]
    trace.current().record("checked", one.candidate.sample.event, rules=kinds, faults=one.faults, unchecked=silent)
