"""Contamination: which problems of a test set stand, in part, in what a model was trained on.

The measure is that of GPT-3 (Brown et al. 2020, appendix C): a problem is dirty if the training texts hold one of its runs of 13
words, in lower case; a shorter problem counts as a whole. Departs from it: a sign is a word too, since `3-2` is not `3+2`, and a
run is not dropped for being frequent. The training texts are a stream and are never held: only the test sets' runs are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponder.errors import InputError
from ponder.tasks import files

WORDS = 13
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Of `problems` of a test set, those that share a run of words with the training texts: their places, in order."""

    name: str
    problems: int
    dirty: tuple[int, ...]

    @property
    def share(self) -> float | None:
        return len(self.dirty) / self.problems if self.problems else None


def runs(text: str, size: int) -> Iterator[tuple[str, ...]]:
    """Every run of `size` words of the text; none where it is shorter."""
    words = _WORD.findall(text.lower())
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))


def overlaps(training: Iterable[str], tests: Mapping[str, Sequence[str]], size: int = WORDS) -> list[Overlap]:
    """What every test set shares with the training texts, in the order of `tests`."""
    if size < 1:
        raise InputError(f"a run has at least one word, not {size}")
    index: dict[tuple[str, ...], set[tuple[str, int]]] = {}
    for name, texts in tests.items():
        for place, text in enumerate(texts):
            length = min(size, len(_WORD.findall(text.lower())))
            for run in runs(text, length) if length else ():
                index.setdefault(run, set()).add((name, place))
    lengths, dirty = sorted({len(run) for run in index}), set[tuple[str, int]]()
    for text in training:
        for length in lengths:
            for run in runs(text, length):
                dirty |= index.get(run, set())
    return [
        Overlap(name, len(texts), tuple(sorted(place for which, place in dirty if which == name))) for name, texts in tests.items()
    ]


def texts(path: Path) -> Iterator[str]:
    """The training texts of a file: a line each of a `.txt`, else all texts of a row of a .jsonl, .json or .csv file."""
    if path.name.lower().removesuffix(".gz").endswith(".txt"):
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from lines
        return
    for _, row in files.rows(path):
        yield "\n".join(value for value in row.values() if isinstance(value, str))


def shipped(examples: int, seed: int = 0) -> Iterator[str]:
    """So many of the questions and worked solutions that `builtin:mini` learns from, drawn as its training draws them."""
    import random

    from ponder.train.data import example

    rng = random.Random(f"{seed}/contamination")
    for _ in range(examples):
        yield "\n".join(example(rng))
