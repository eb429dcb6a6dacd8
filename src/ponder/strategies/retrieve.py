"""Answer from a folder of texts: passages by BM25, quoted word for word, and no answer without a quote that holds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path

from ponder import answers, trace
from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.draw import answer, draw, marked, over
from ponder.strategies.passages import Passage, search
from ponder.types import Answer, Candidate, Message, Model, Problem, Sample, Score, Verifier
from ponder.verifiers.check import Check
from ponder.verifiers.facts import unknown

SHORTEST = 3  # words of a quote: fewer stand anywhere

ASKED = (
    "Answer by these passages alone. First quote the passage that answers, word for word and on one line, after its number: "
    '[1] "its words". Then write the answer, in as few words as possible, in \\boxed{{}}. '
    "If no passage answers, say that you do not know, and write \\boxed{{unknown}}.\n\n{passages}\n\n{question}"
)

_QUOTE = re.compile(r'\[(\d+)\][^"“\n]{0,12}["“](.+)["”]')


@strategy("retrieve", paper="Robertson & Zaragoza 2009 (BM25), Lewis 2020")
async def retrieve(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    folder: str = "",
    k: int = 3,
    n: int = 1,
    least: float = 0.0,
    sampler: str = "",
) -> Answer:
    """Answer by the `k` passages of a folder's texts that suit the question best, and quote them, or say that it is not known.

    The passages come from the `.md` and `.txt` files below `folder`, by BM25 (Robertson & Zaragoza 2009; k1 = 1.5, b = .75), and
    stand with their file and line before the question that each of `n` draws, or of the runs of `sampler`, is asked. A draw is
    scored by the share of its quotes that stand in the passage that they name, word for word; the votes of those with any are
    weighed by it. There is no answer where no passage scores above `least`, or no draw that answers has such a quote.

    Departs from Lewis et al. 2020 (retrieval-augmented generation) in that nothing is trained, and passages are found once, by
    their words. Raises `InputError` where the folder is missing or holds no text, `MissingExtra` without the package `bm25s`.
    """
    if not folder or k < 1:
        raise InputError(f"`retrieve` needs a folder of texts, and k >= 1: {folder!r} and {k}; write retrieve(folder=PATH)")
    found = await asyncio.to_thread(search, Path(folder).expanduser(), problem.question, k, least)
    trace.current().record("retrieved", folder=folder, passages=[asdict(one) | {"score": score} for one, score in found])
    if not found:
        return abstain("no passage of the folder suits the question", [])
    passages = [one for one, _ in found]
    drawn = draw(_told(problem, passages), model, n, quoting(passages), over(sampler, verifier))
    return await grounded(problem, drawn, _quoted, "no answer stands on a quote from the passages")


def _quoted(drawn: Sequence[Candidate], canonical: answers.Canonical) -> Candidate | None:
    """The vote of those with a quote that holds; the best of them where none has an answer that could vote."""
    held = [one for one in drawn if one.value and not unknown(one.answer or "", one.sample.text)]
    return answers.weighted(held, canonical) or answers.best(held)


def _told(problem: Problem, passages: Sequence[Passage]) -> Problem:
    """The question after the passages, each with its number, file and line; no answer is looked for in a quote."""
    texts = [f"[{number}] {one.source}:{one.line}\n{one.text}" for number, one in enumerate(passages, 1)]
    asked = Message("user", ASKED.format(passages="\n\n".join(texts), question=problem.question))
    extract = problem.task.extract
    task = replace(problem.task, extract=lambda told, text: extract(told, _QUOTE.sub("", text)))
    return replace(problem, messages=(*problem.messages[:-1], asked), task=task)


async def grounded(
    problem: Problem,
    drawn: AsyncGenerator[Candidate, None],
    select: Callable[[Sequence[Candidate], answers.Canonical], Candidate | None],
    why: str,
) -> Answer:
    """What `select` chooses among the candidates drawn, or where it chooses none, an answer that says that it is not known.

    The event `abstained` holds the reason, and the answer that a plain vote would have given.
    """
    candidates: list[Candidate] = []
    chosen: Candidate | None = None
    async with aclosing(drawn) as finished:
        async for one in finished:
            candidates.append(one)
            chosen = select(candidates, problem.task.canonical)
            trace.lead(answer(chosen or _unknown(why), candidates))
    if chosen is not None:
        return marked(answer(chosen, candidates))
    plain = answers.majority(filter(attempts, candidates), problem.task.canonical)
    return marked(abstain(why, candidates, before=plain.answer if plain else None))


def abstain(why: str, candidates: Sequence[Candidate], before: str | None = None) -> Answer:
    """The answer that says why there is none; `before` is the one that it takes the place of."""
    trace.current().record("abstained", reason=why, before=before, after=None)
    return trace.lead(answer(_unknown(why), candidates))


def _unknown(why: str) -> Candidate:
    return Candidate(Sample(f"I do not know: {why}."), None)


def attempts(candidate: Candidate) -> bool:
    """Whether it answers, and does not say that it does not know."""
    return not unknown(candidate.answer, candidate.sample.text)


def quoting(passages: Sequence[Passage]) -> Check:
    """Scores a completion by the share of its quotes that are verbatim, but for spacing; 0 without any. An event tells of each."""
    texts = [_spaced(one.text) for one in passages]

    def grade(_problem: Problem, completion: str) -> Score:
        held = []
        for number, words in _QUOTE.findall(completion):
            quote, place = _spaced(words), int(number) - 1
            verified = len(quote.split()) >= SHORTEST and place in range(len(texts)) and quote in texts[place]
            trace.current().record("quoted", passage=place + 1, quote=quote, verified=verified)
            held.append(verified)
        return Score(sum(held) / len(held) if held else 0.0)

    return Check("quotes", "nothing", grade)


def _spaced(text: str) -> str:
    return " ".join(text.split())
