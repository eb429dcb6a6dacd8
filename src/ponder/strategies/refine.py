"""One solution, revised after what the model itself says about it: a critique, or answers to its own questions."""

from __future__ import annotations

import re
from dataclasses import replace

from ponder.errors import ModelError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.attempts import asking, improve, remark
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Message, Model, Problem, Verifier

_CRITICISE = (
    "Check the solution above step by step and say what is wrong in it. Do not give another solution. "
    "End with a line `verdict: right` or `verdict: wrong`."
)
_REVISE = "Correct these faults, and give the whole solution again."
_PLAN = (
    "List the facts and intermediate results that the solution above rests on as questions, one a line. "
    "Each must be understandable without the problem and the solution, and must not hint at its answer."
)
_RECONSIDER = (
    "These were answered independently of your solution. Where they contradict it, correct it; give the whole solution again."
)

_VERDICT = re.compile(r"verdict\W{1,4}(right|wrong)", re.IGNORECASE)
_QUESTION = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*(\S.*\?)", re.MULTILINE)


@strategy("self-refine", paper="Madaan 2023")
async def self_refine(problem: Problem, model: Model, verifier: Verifier | None, *, rounds: int = 4, settled: int = 0) -> Answer:
    """Let the model criticise its solution and correct it, until it finds it right, at most `rounds` times (Madaan et al. 2023).

    With a verifier, it also ends where that gives 1, and the highest score wins; with `settled`, after so many equal answers in a
    row. Departs from the paper: a revision sees the last solution and its critique, not all before; the end is a verdict asked for,
    and not "it is correct" somewhere in the critique.
    Without a verifier, expect no gain on reasoning (Huang et al. 2023): it helps only where more is mended than spoilt.
    """
    check("last", rounds=rounds)

    async def criticise(attempt: Candidate) -> str | None:
        said = await remark(model, asking(problem, attempt.sample.text, _CRITICISE), attempt)
        verdicts = _VERDICT.findall(said)
        return None if verdicts and verdicts[-1].lower() == "right" else f"{said}\n\n{_REVISE}"

    return await improve(problem, model, rounds, criticise, verifier, settled)


@strategy("chain-of-verification", paper="Dhuliawala 2023")
async def chain_of_verification(problem: Problem, model: Model, *, questions: int = 5) -> Answer:
    """Draft, ask what it rests on, answer each question apart from the draft, and revise by it (CoVe, Dhuliawala et al. 2023).

    The factored form: up to `questions` questions are answered at once, each in a conversation of its own that holds nothing else,
    so that the draft's errors cannot be repeated. Departs from the paper: zero-shot, and a draft without questions stands.
    """
    check("last", questions=questions)

    async def verify(draft: Candidate) -> str | None:
        planned = await remark(model, asking(problem, draft.sample.text, _PLAN), draft)
        asked = list(dict.fromkeys(_QUESTION.findall(planned)))[:questions]
        replies = await together(_alone(problem, model, question, draft) for question in asked)
        known = [f"{question} {said}" for question, said in zip(asked, replies, strict=True) if said is not None]
        return "\n\n".join([*known, _RECONSIDER]) if known else None

    return await improve(problem, model, 1, verify)


async def _alone(problem: Problem, model: Model, question: str, draft: Candidate) -> str | None:
    """The answer to a question by a model that sees nothing but it; None if the draw failed."""
    try:
        return await remark(model, replace(asking(problem), messages=(Message("user", question),)), draft)
    except ModelError:
        return None
