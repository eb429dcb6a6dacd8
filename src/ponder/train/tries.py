"""Several tries in one answer: where they begin and end, what each is worth, and answers joined from tries made apart.

A model of builtin size solves a problem in one go or not at all. It can begin anew within its answer: behind a try it tells the
goal again, as far as it is away from what was reached, and then says `no`, what is left to begin with, and tries again; or `yes`
and ends. Each try reads what it works with in the line before it, as each step does.

    countdown 3 7 8 8 to 24              8+8=16 left 3 7 16
                                         16+7=23 left 3 23
                                         23-3=20
                                         24-20=4 no left 3 7 8 8
                                         8-7=1 left 3 8 1
                                         8*3=24 left 1 24
                                         24*1=24
                                         24-24=0 yes
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ponder.tasks import countdown, expression
from ponder.train import advantage
from ponder.train.data import EOS, FIRST_BYTE
from ponder.train.rewards import accuracy
from ponder.types import Problem

Floats = NDArray[np.float64]
_ASKED = re.compile(r"([0-9 ]+) to ([0-9]+)$")
_COMPUTED = re.compile(r"([0-9]+[-+*/][0-9]+)=([0-9]+)(.*)")
_VERDICT = re.compile(r"\n[0-9]+-[0-9]+=[0-9]+ (no (?:left )?[0-9 ]+\n|yes$)")
_NEEDLESS = re.compile(r"=([0-9]+)( left)[0-9 ]*?( \1)?$|no( left)", re.M)


def goal(question: str) -> str | None:
    """The number that ends a question: where there is one, a model can check its answer by what was asked."""
    asked = _ASKED.search(question)
    return asked and asked[2]


def verdict(question: str, text: str) -> str:
    """What is said behind a try: how far it ended from the goal, and whether that is far; then all numbers again. Subtraction is
    what the model can do; that two numbers are equal it learnt slowly to see."""
    asked, away = _ASKED.search(question), measured(question, text)
    return f"{away} yes" if asked is None or away.endswith("=0") else f"{away} no left{asked[1]}"


def measured(question: str, text: str) -> str:
    """The subtraction of the goal and what the solution reached, the smaller from the larger."""
    told, reached = goal(question), text.rpartition("=")[2]
    numbers = int(told or 0), int(reached) if reached.isdecimal() else 0
    return f"{max(numbers)}-{min(numbers)}={max(numbers) - min(numbers)}"


def computed(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where the true results of steps like `13-7=6 left 3 6` stand, and whether they end their lines."""
    for line in _COMPUTED.finditer(text):
        with suppress(ValueError):  # divided by 0
            if expression.value(expression.parse(line[1])) == int(line[2]):
                yield *line.span(2), not line[3]


def joined(question: str, tries: Sequence[str]) -> str:
    """Tries as one answer, the last of them right. Where no goal can be told there are no verdicts, and only one try can stand."""
    return tries[-1] if goal(question) is None else "\n".join(f"{text}\n{verdict(question, text)}" for text in tries)


def needless(text: str) -> set[int]:
    """The places in an answer of letters that tell nothing: the word `left`, and a result once more behind the numbers left.

    Without them `8+8=16 left 3 7 16` is `8+8=16 3 7`, and `24-20=4 no left 3 7 8 8` is `24-20=4 no 3 7 8 8`.
    """
    spans = [found.span(part) for found in _NEEDLESS.finditer(text) for part in (2, 3, 4)]
    return {place for begin, end in spans for place in range(begin, end)}


def right(problem: Problem, texts: Sequence[str]) -> list[bool]:
    """Which of the tries are right by the task's check."""
    return [grade == 1.0 for grade in accuracy(completions=texts, problem=[problem] * len(texts))]


def lawful(question: str, text: str) -> bool:
    """Whether a try computes rightly and uses every number of the puzzle once; False where there is no puzzle."""
    puzzle = countdown.puzzle(question)
    return puzzle is not None and expression.from_steps(puzzle[0], text.split("\n")) is not None


@dataclass(frozen=True, slots=True)
class Tried:
    """One answer by its tries: their texts, whether each is right, where it begins and ends, where the word is that decides what
    follows it (the answer's end, if none is said), all in tokens, whether the answer came to its own end, and whether each try
    keeps the rules."""

    texts: list[str]
    right: list[bool]
    begins: list[int]
    ends: list[int]
    decided: list[int]
    ended: bool
    lawful: list[bool]

    @property
    def whole(self) -> list[bool]:
        """The verdicts on the tries that were not cut by the limit."""
        return self.right if self.ended else self.right[: len(self.decided)]

    def stops(self, place: int) -> bool:
        """Whether the answer ends with the try at `place`."""
        return self.ended and place == len(self.right) - 1

    def values(self, rest: float) -> list[float]:
        """What each whole try is worth, where to go on is worth `rest`."""
        return [
            1.0 if right else rest if lawful and not self.stops(place) else 0.0
            for place, (right, lawful) in enumerate(zip(self.whole, self.lawful, strict=False))
        ]


def tried(problem: Problem, answer: NDArray[np.int64]) -> Tried:
    """The tries of an answer in tokens, each of which is a byte."""
    ended = bool(answer[-1] == EOS)
    body = "".join(chr(max(int(token) - FIRST_BYTE, 0) % 256) for token in answer[: len(answer) - ended])
    found = list(_VERDICT.finditer(body))
    begins, ends = [0, *(one.end() for one in found)], [one.start() for one in found]
    decided = [one.start(1) for one in found]
    if found and found[-1][1] == "yes":
        begins.pop()
    else:
        ends.append(len(body))
        decided += [len(body)] * ended
    texts = [body[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return Tried(texts, right(problem, texts), begins, ends, decided, ended, [lawful(problem.question, text) for text in texts])


def credit(group: Sequence[Tried], lengths: Sequence[int], price: float = 0.0) -> list[Floats]:
    """The advantage of each token of a group's answers, each step of a try and each decision behind a try judged by itself.

    A try is worth 1 if it is right, nothing if it breaks the rules or the answer ends with it, and else what going on is worth:
    what the group's other answers get in the end. So an end that only claims the goal costs more than a miss. Its steps are judged
    beside all tries of the group that began alike (`advantage.by_steps`), what it copies to begin with as its first step. A
    decision is judged against the other choice, whose worth is known: to stop pays what stands there, to go on pays what the
    others got. So to stop at a wrong try costs, and so does to go on behind a right one. A try cut by the limit teaches nothing.

    Each token costs `price`: those behind a decision to go on are laid to it, so what is not worth its tokens is given up.
    """
    final = np.array([one.ended and one.right[-1] for one in group], float)
    worth = final - price * np.array(lengths)
    others = (worth.sum() - worth) / max(len(group) - 1, 1)
    values = [value for one, rest in zip(group, others, strict=True) for value in one.values(rest)]
    chains = [text.split("\n") for one in group for text, _ in zip(one.texts, one.whole, strict=False)]
    judged = iter(advantage.by_steps(values, chains) if len(values) > 1 else [np.zeros(len(chain)) for chain in chains])
    gains = []
    for one, length, paid, rest in zip(group, lengths, final, others, strict=True):
        tokens, begin = np.zeros(length), 0
        for place, (right, end) in enumerate(zip(one.whole, one.ends, strict=False)):
            tokens[begin:end] = _spread(next(judged), one.texts[place], end - begin)
            at = one.decided[place]
            tokens[at] = right - rest if one.stops(place) else paid - price * (length - at) - right
            begin = at + 1
        gains.append(tokens)
    return gains


def _spread(steps: Floats, text: str, tokens: int) -> Floats:
    """The gains of a try's steps over its tokens; what stands before its text belongs to its first step."""
    sizes = [len(line) + 1 for line in text.split("\n")]
    sizes[0] += tokens - sum(sizes) + 1
    sizes[-1] -= 1
    return np.repeat(steps, sizes)
