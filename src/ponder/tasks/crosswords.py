"""Mini crosswords of 5 × 5 letters (Yao et al. 2023, Tree of Thoughts): ten clues, five across and five down.

A board is 25 letters, row by row, with `_` where there is none. A solution is either five rows (`A G E N D`) or words by their
clue, one a line (`h1. agend`, `v1. amass`), which is what a search writes.
"""

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Score, Task, Thoughts
from ponder.verifiers.check import Check

FILE = "bench_crosswords/mini0505.json.gz"
TEST = range(0, 100, 5)
"""The 20 games of the published evaluation."""

SYSTEM = Message(
    "system",
    "Solve the crossword of 5 by 5 letters: h1 to h5 are its rows from the top, v1 to v5 its columns from the left, and every word "
    "has five letters. End with the five rows, one a line, the letters separated by spaces.",
)
EMPTY = "_" * 25
CELLS = {f"h{row + 1}": slice(5 * row, 5 * row + 5) for row in range(5)} | {
    f"v{column + 1}": slice(column, 25, 5) for column in range(5)
}
"""Where each word stands on the board."""
WEIGHTS = {"certain": 1.0, "high": 0.5, "medium": 0.2, "low": 0.1}

_WORD = re.compile(r"\s*([hv][1-5])[.:]?\s+([a-z]{5})\b(?:\s*\((certain|high|medium|low)\))?.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marks:
    """The published grading: the shares of right letters and of right words, and whether all of it is right."""

    letters: float
    words: float
    game: bool


def words(board: str) -> list[str]:
    """The ten words, across and then down."""
    return [board[cells] for cells in CELLS.values()]


def placed(board: str, name: str, word: str) -> str:
    """The board with `word` at `name` (`h1` to `v5`)."""
    letters = list(board)
    letters[CELLS[name]] = word.upper()
    return "".join(letters)


def marks(board: str, solution: str) -> Marks:
    letters = sum(map(str.__eq__, board, solution)) / 25
    return Marks(letters, sum(map(str.__eq__, words(board), words(solution))) / 10, board == solution)


def filled(lines: Sequence[str]) -> str:
    """The board after the words in `lines`, where a later word overwrites an earlier one; other lines say nothing."""
    board = EMPTY
    for line in lines:
        if found := _WORD.fullmatch(line):
            board = placed(board, found[1].lower(), found[2])
    return board


def _rows(lines: Sequence[str]) -> str:
    """The board of the last five lines, of each the first five letters that spaces separate; a line of other length is empty."""
    rows = ["".join(line.split()[:5]).upper().ljust(5, "_") for line in lines[-5:]]
    return "".join(row if re.fullmatch("[A-Z_]{5}", row) else "_" * 5 for row in rows).ljust(25, "_")


def _extract(_: Problem, text: str) -> str | None:
    """The board's rows, one a line; None if it is empty."""
    lines = [line for line in text.splitlines() if line.strip()]
    board = filled(lines) if lines and _WORD.fullmatch(lines[-1]) else _rows(lines)
    return None if board == EMPTY else "\n".join(words(board)[:5])


def _grade(problem: Problem, completion: str) -> Score:
    """The share of right words, with a 1 or 0 for each in `steps`: across, then down."""
    if problem.reference is None:
        return Score(None, error=f"the problem `{problem.id}` has no reference solution")
    answer = _extract(problem, completion)
    if answer is None:
        return Score(0.0, error="there is no board to read")
    board, solution = answer.replace("\n", ""), problem.reference.replace("\n", "")
    right = tuple(float(word == wanted) for word, wanted in zip(words(board), words(solution), strict=True))
    return Score(marks(board, solution).words, right)


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in crosswords.splits:
        raise InputError(f"the task `crosswords` has no split `{split}`; its splits are {', '.join(crosswords.splits)}")
    path = files.local(FILE)
    if path is None:
        raise InputError(
            f"the task `crosswords` is read from a file: set PONDER_DATA to a folder that holds {FILE} "
            f"(src/tot/data/crosswords/mini0505.json of princeton-nlp/tree-of-thought-llm, with gzip)"
        )
    games = json.loads(gzip.decompress(path.read_bytes()))
    chosen = TEST if split == "test" else range(len(games))
    return [_problem(number, *games[number]) for number in chosen][:limit]


def _problem(number: int, clues: list[str], letters: list[str]) -> Problem:
    listed = "\n".join(f"{name}. {clue}" for name, clue in zip(CELLS, clues, strict=True))
    return Problem(
        id=f"crosswords/{number}",
        messages=(SYSTEM, Message("user", listed)),
        task=crosswords,
        reference="\n".join(words("".join(letters))[:5]),
        data={"clues": tuple(clues)},
    )


def _propose(problem: Problem, text: str) -> str:
    board = filled(text.splitlines())
    given = zip(CELLS, problem.data["clues"], words(board), strict=True)
    open_ = "\n".join(f"{name}. {clue}: {word}" for name, clue, word in given if "_" in word)
    rows = "\n".join(words(board)[:5])
    return (
        "A crossword of 5 by 5 letters: h1 to h5 are its rows from the top, v1 to v5 its columns from the left. So far it reads, "
        f"with _ for a letter that is open:\n{rows}\n\nThe clues that are open, each with the letters that it has:\n{open_}\n\n"
        "For these clues give the words of five letters that fit, as many as you can think of, one a line, each with how confident "
        "you are: certain, high, medium or low. Write nothing else. Such a line is:\nh1. apple (medium)"
    )


def _read(_: Problem, text: str, reply: str) -> list[tuple[str, float]]:
    """The words that fill an open clue and change no letter; lines in the order of the clues, so that equal boards are equal."""
    lines, thoughts = text.splitlines(), []
    board = filled(lines)
    for found in filter(None, map(_WORD.fullmatch, reply.splitlines())):
        name, word = found[1].lower(), found[2].lower()
        before = board[CELLS[name]]
        if found[3] and "_" in before and all(old in ("_", new) for old, new in zip(before, word.upper(), strict=True)):
            grown = "\n".join(sorted([*lines, f"{name}. {word}"]))
            thoughts.append((f"{grown}\n", WEIGHTS[found[3].lower()]))
    return thoughts


def _judge(problem: Problem, text: str) -> tuple[str, ...]:
    """One question for each clue that has two letters or more."""
    board = words(filled(text.splitlines()))
    return tuple(
        f"Clue: {clue}\nLetters so far, with _ for one that is open: {' '.join(word)}\n\nIs there a word or a phrase of five "
        "letters that means the clue and has these? Think of some; then write as the last line one word: sure if there is, maybe "
        "if you cannot tell, impossible if there can be none."
        for clue, word in zip(problem.data["clues"], board, strict=True)
        if word.count("_") < 4
    )


crosswords = Task(
    name="crosswords",
    about="mini crosswords of 5 by 5 letters with ten clues",
    load=_load,
    extract=_extract,
    canonical=str.strip,
    verifier=Check("crosswords", "reference", _grade),
    splits=("test", "all"),
    thoughts=Thoughts(
        propose=_propose,
        read=_read,
        ended=lambda _, text: "_" not in filled(text.splitlines()),
        judge=_judge,
        labels={"sure": 1.0, "maybe": 0.5, "impossible": 0.0},
    ),
    source="https://github.com/princeton-nlp/tree-of-thought-llm",
    licence="MIT",
)
