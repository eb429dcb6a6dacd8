"""Answer from a folder of texts: passages by BM25, quoted word for word, and no answer without a quote that holds."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ponder import answers, trace
from ponder.errors import InputError, MissingExtra
from ponder.strategies import strategy
from ponder.strategies.draw import answer, draw, marked, over
from ponder.types import Answer, Candidate, Message, Model, Problem, Sample, Score, Verifier
from ponder.verifiers.check import Check
from ponder.verifiers.facts import unknown

KINDS = (".md", ".txt")
LEAST_WORDS, MOST_WORDS = 60, 180  # a passage ends at an empty line after the first, and anywhere at the second
SHORTEST = 3  # words of a quote: fewer stand anywhere

ASKED = (
    "Answer by these passages alone. First quote the passage that answers, word for word and on one line, after its number: "
    '[1] "its words". Then write the answer, in as few words as possible, in \\boxed{{}}. '
    "If no passage answers, say that you do not know, and write \\boxed{{unknown}}.\n\n{passages}\n\n{question}"
)

_QUOTE = re.compile(r'\[(\d+)\][^"“\n]{0,12}["“](.+)["”]')


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a file; the first of them is `line`, counted from 1."""

    source: str
    line: int
    text: str


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
    told = replace(problem, messages=(*problem.messages[:-1], Message("user", shown(problem, passages))))
    drawn = draw(told, model, n, quoting(passages), over(sampler, verifier))
    return await grounded(problem, drawn, _quoted, "no answer stands on a quote from the passages")


def _quoted(drawn: Sequence[Candidate], canonical: answers.Canonical) -> Candidate | None:
    return answers.weighted([one for one in drawn if one.value and attempts(one)], canonical)


def shown(problem: Problem, passages: Sequence[Passage]) -> str:
    """The question after the passages, each with its number, file and line."""
    texts = [f"[{number}] {one.source}:{one.line}\n{one.text}" for number, one in enumerate(passages, 1)]
    return ASKED.format(passages="\n\n".join(texts), question=problem.question)


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


def search(folder: Path, question: str, k: int, least: float) -> list[tuple[Passage, float]]:
    """The `k` passages with the highest BM25 scores above `least`, best first; ties to the earlier file and line."""
    passages, ranking, words = _indexed(_files(folder))
    scores = ranking.get_scores(words(question)).tolist()
    best = sorted(range(len(passages)), key=lambda place: (-scores[place], place))[:k]
    return [(passages[place], round(scores[place], 4)) for place in best if scores[place] > least]


def _files(folder: Path) -> tuple[tuple[Path, Path, int, int], ...]:
    """Each text below the folder, with what changes when it is written; what is hidden is left out."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r} to retrieve from; write retrieve(folder=PATH)")
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(top, name) for name in names if name.lower().endswith(KINDS) and not name.startswith(".")):
            state = path.stat()
            found.append((path, path.relative_to(folder), state.st_mtime_ns, state.st_size))
    if not found:
        raise InputError(f"the folder {str(folder)!r} holds no texts ({', '.join(KINDS)}); put some there, or name another folder")
    return tuple(sorted(found))


@lru_cache(maxsize=4)
def _indexed(files: tuple[tuple[Path, Path, int, int], ...]) -> tuple[list[Passage], Any, Callable[[str], list[str]]]:
    """The passages of the files, their BM25 index, and what cuts a text into its words; kept until a file changes."""
    try:
        import bm25s
    except ImportError:
        raise MissingExtra("bm25s", "retrieve") from None

    def words(text: str) -> list[str]:
        return [word for found in bm25s.tokenize([text], return_ids=False, show_progress=False) for word in found]

    passages = [one for path, name, *_ in files for one in cut(str(name), path.read_text("utf-8-sig", errors="replace"))]
    tokens = [words(one.text) for one in passages]
    if not any(tokens):
        raise InputError(f"the {len(files)} texts beside {str(files[0][0])!r} hold no words; name another folder")
    ranking = bm25s.BM25()
    ranking.index(tokens, show_progress=False)
    return passages, ranking, words


def cut(source: str, text: str) -> list[Passage]:
    """The text's lines in passages: each ends with a paragraph if it can, and before `MOST_WORDS` words in any case."""
    lines = list(_short(text))
    ends, words = [0], 0
    for place, (_, line) in enumerate(lines):
        length = len(line.split())
        if words + length > MOST_WORDS or (words >= LEAST_WORDS and not length):
            ends.append(place)
            words = 0
        words += length
    cuts = [lines[start:end] for start, end in pairwise([*ends, len(lines)])]
    kept = [[(number, line) for number, line in some if line.strip()] for some in cuts]
    return [Passage(source, some[0][0], "\n".join(line for _, line in some)) for some in kept if some]


def _short(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; one of more than `MOST_WORDS` words in several pieces."""
    for number, line in enumerate(text.splitlines(), 1):
        for piece in re.findall(rf"(?:\S+\s*){{1,{MOST_WORDS}}}", line) or [""]:
            yield number, piece.rstrip()
