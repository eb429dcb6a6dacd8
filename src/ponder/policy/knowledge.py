"""Prompts that ask for facts: told by their text, and answered from texts, or only where short answers agree.

Thinking longer adds no facts: it turns "I do not know" into wrong answers more often than into right ones (Zhao 2025, 2509.06861).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ponder import answers, trace
from ponder.errors import InputError, ModelError
from ponder.strategies import parse, strategy
from ponder.strategies.draw import draw
from ponder.strategies.retrieve import attempts, grounded, retrieve
from ponder.types import Answer, Candidate, Message, Model, Problem, Verifier

AMOUNTS, WORDS = 2, 60  # a question of fact names no more amounts, and has no more words; chosen as `docs/knowledge.md` says
SHARE = 0.5

SHORT = Message(
    "system",
    r"Answer with the fact alone, in as few words as possible, in \boxed{}. If you are not sure, write \boxed{unknown}.",
)

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|\([^)]*\)')
_DATE = re.compile(rf"\b\d{{4}}(?:[-–/]\d{{2,4}})?s?\b|\b{_MONTH} \d+\b|\b\d+ (?:of )?{_MONTH}\b")
_ASKS = re.compile(
    r"\b(?:who|whom|whose|when|where|which|what|why|how)\b|\?\s*$|^\W*(?:name|specify|give|state|provide|identify)\b", re.IGNORECASE
)
_FORMAL = re.compile(r"[$\\{}^=]|\d\s*[-+*/×]\s*\d+\s*[-+*/×=]|\bdef \w+\(|```|\[asy\]|(?:\b\d+\s+){2,}")
_TOLD = re.compile(
    r"(?:^|[.!?:,\n]\s*|\b(?:you|please|then|and|first) )(?:write|rewrite|rephrase|create|compose|draft|brainstorm|generate|"
    r"summari[sz]e|describe|explain|elaborate|expand|translate|find|compute|calculate|evaluate|simplify|express|prove|convert|"
    r"imagine|suppose|assume|list|use|wrap|include|answer|help|make|come up|do not|don't)\b"
    r"|\b(?:your|entire|whole|the) (?:\w+ )?(?:response|reply|output)\b|\bI (?:would like|want|need|am)\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\d[\d,.]*|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|hundred|"
    r"twice|half|halves|thirds?|quarters?|double|triple|each|every|per|percent|percentage|total|sum|product|combined|average|"
    r"altogether|remaining|more than|times as|remainder|probability|consecutive|smallest|greatest|fewest|minimum|maximum|"
    r"integers?|digits?|degrees)\b",
    re.IGNORECASE,
)


def factual(text: str) -> bool:
    """Whether a prompt asks for facts, and not for reasoning, code or a text: a question in few words and amounts, by rule.

    Dates are no amounts; what stands in quotation marks or brackets does not count. Its words are English ones: of another language
    it knows the question mark and figures only.
    """
    outside = _QUOTED.sub(" ", text)
    if len(text.split()) > WORDS or _FORMAL.search(text) or _TOLD.search(outside) or not _ASKS.search(text):
        return False
    return len(_AMOUNT.findall(_DATE.sub(" ", outside))) <= AMOUNTS


def supported(agreeing: int, drawn: int, quick: bool, share: float = SHARE) -> bool:
    """Whether an answer may stand: more than `share` of the draws agree, or the first came `quick`, after little thinking.

    The rule that `lab.knowledge` chose on one half of recorded questions, and measured on the other.
    """
    return quick or agreeing > share * drawn


@strategy("knowledge-guard", paper="Zhao 2025")
async def knowledge_guard(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    folder: str = "",
    n: int = 5,
    share: float = SHARE,
    usual: int = 0,
    sampler: str = "direct",
) -> Answer:
    """Answer a question of fact from a folder's texts, or in short where draws agree, or not at all; leave the rest to `sampler`.

    What asks for facts (`factual`) goes to `retrieve` with `n` draws where there is a `folder`. Without, `n` draws are told to be
    short or to say that they do not know, and the most frequent answer stands if more than `share` of the draws give it. With
    `usual` (tokens; the median of the model's on such questions) the first draw goes alone, and stands if it answers within them.
    Else the answer is that it is not known. Any other prompt goes to the strategy `sampler` as it is. The event `routed` says
    which way it went, `abstained` which answer was taken back.

    Departs from Zhao 2025, who measures and has no rule: see `docs/knowledge.md` for what the rule gains and loses.
    """
    if not 0 <= share < 1 or usual < 0:
        raise InputError(f"knowledge-guard needs 0 <= share < 1 and usual >= 0: {share} and {usual}")
    asks = factual(problem.question)
    trace.current().record("routed", knowledge=asks, to="sampler" if not asks else "retrieve" if folder else "short")
    if not asks:
        inner, settings = parse(sampler)
        return await inner(problem, model, verifier, **settings)
    if folder:
        return await retrieve(problem, model, verifier, folder=folder, n=n)
    short = replace(problem, messages=(*problem.messages[:-1], SHORT, problem.messages[-1]))
    why = f"no answer is given by more than {share:.0%} of {n} draws"
    return await grounded(problem, _patient(short, model, n, usual), partial(_agreed, share=share, usual=usual), why)


async def _patient(problem: Problem, model: Model, n: int, usual: int) -> AsyncGenerator[Candidate, None]:
    """The draws as they finish; where the first may be quick it goes alone, and the others only if it is not."""
    given: set[int] = set()
    for count in (1, n) if usual and n > 1 else (n,):
        try:
            async with aclosing(draw(problem, model, count)) as drawn:
                async for one in drawn:
                    if one.sample.index not in given:
                        given.add(one.sample.index)
                        yield one
                    if _quick(one, usual):
                        return
        except ModelError:
            if count == n:
                raise


def _agreed(drawn: Sequence[Candidate], canonical: answers.Canonical, share: float, usual: int) -> Candidate | None:
    """The first candidate if it was quick, else the first with the most frequent answer, where that is `supported`; else None."""
    quick = [one for one in drawn if _quick(one, usual)]
    votes = quick or max(answers.classes(filter(attempts, drawn), canonical).values(), key=len, default=[])
    return votes[0] if votes and supported(len(votes), len(drawn), bool(quick), share) else None


def _quick(one: Candidate, usual: int) -> bool:
    return one.sample.index == 0 and attempts(one) and one.sample.usage.completion <= usual
