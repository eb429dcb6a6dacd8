"""Passages of the texts below a folder, found by their words: BM25 (Robertson & Zaragoza 2009)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ponder.errors import InputError, MissingExtra

KINDS = (".md", ".txt")
LEAST_WORDS, MOST_WORDS = 60, 180  # a passage ends at an empty line after the first, and anywhere at the second


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a file; the first of them is `line`, counted from 1."""

    source: str
    line: int
    text: str


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
