"""Answers to learn from, out of what a model draws and how it is graded: no demonstrations.

A model that answers in one go does not know that it could begin anew, and reinforcement finds only what is sometimes drawn. So the
explorer begins anew for it: the draws of a problem, one after another, are one long search, cut behind each try that is right.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ponder.tasks import countdown
from ponder.train.grpo import Plan, Rollouts, draw
from ponder.train.sft import Shown
from ponder.train.tries import goal, right, searches, tried
from ponder.types import Problem

log = logging.getLogger(__name__)
BATCH = 128
"""Problems drawn together."""
MOST = 6
"""Wrong tries before the right one, in hindsight."""
EACH = 3
"""Answers shown of one problem."""

Answer = list[tuple[str, bool]]
"""The tries of a drawn answer, each with its verdict."""
Teach = Callable[[Problem, Sequence[Answer]], list[Shown]]


def searched(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """All tries in the order of the draws, as searches, the first few; and one in hindsight."""
    tries = _tries(problem, answers)
    shown = _shown(problem, tries)
    again = hindsight(problem, [text for text, correct in tries if not correct], random.Random(problem.question))
    return shown if again is None else [*shown, again]


def curated(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """Searches that try nothing twice."""
    return _shown(problem, list(dict.fromkeys(_tries(problem, answers))))


def _tries(problem: Problem, answers: Sequence[Answer]) -> Answer:
    """All tries but those that end at the goal and are wrong all the same: a verdict on them would be a lie."""
    told = f"={goal(problem.question)}"
    return [(text, correct) for answer in answers for text, correct in answer if correct or not text.endswith(told)]


def _shown(problem: Problem, tries: Answer) -> list[Shown]:
    found = searches(tries, goal(problem.question) is not None)
    return [Shown(problem.question, chain) for chain, _ in zip(found, range(EACH), strict=False)]


def rejected(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """The answers that are right, as they are (rejection sampling)."""
    good = dict.fromkeys(tuple(text for text, _ in answer) for answer in answers if answer and answer[-1][1])
    return [Shown(problem.question, tries) for tries, _ in zip(good, range(EACH), strict=False)]


def hindsight(problem: Problem, tries: Sequence[str], rng: random.Random) -> Shown | None:
    """A search that missed its goal as one for what its last try reached (Andrychowicz et al. 2017): right, if that try kept the
    rules and none before it reached the same.

    Where it ends is random. None where nothing can be relabelled, or where what would be asked is no problem of the training split.
    """
    puzzle = countdown.puzzle(problem.question)
    if puzzle is None or not tries:
        return None
    size = rng.randint(1, len(tries))
    reached = tries[size - 1].rpartition("=")[2]
    if not reached.isdecimal() or not 1 <= int(reached) <= countdown.LARGEST_TARGET:
        return None
    asked = countdown.problem(problem.task, puzzle[0], int(reached))
    if countdown.split_of(puzzle[0], int(reached)) != "train" or right(asked, tries[size - 1 : size]) != [True]:
        return None
    before = [text for text in tries[: size - 1] if text.rpartition("=")[2] != reached]
    return Shown(asked.question, (*before[len(before) - min(len(before), rng.randint(0, MOST)) :], tries[size - 1]))


def answers(drawn: Rollouts, number: int) -> list[Answer]:
    """The draws of problem `number`, each by its whole tries; one that was cut loses its last, and what is not ASCII is no try."""
    problem, samples = drawn.problems[number], drawn.rewards.shape[1]
    found = [tried(problem, answer) for answer in drawn.answers[number * samples : (number + 1) * samples]]
    return [[(text, verdict) for text, verdict in zip(one.texts, one.whole, strict=False) if text.isascii()] for one in found]


def explored(model: Any, problems: Sequence[Problem], samples: int, teach: Teach, seed: int, plan: Plan) -> Iterator[list[Shown]]:
    """What `teach` makes of `samples` draws of each problem, at the plan's temperatures and limits."""
    for at in range(0, len(problems), BATCH):
        drawn = draw(model, problems[at : at + BATCH], plan, samples, seed + at)
        for number, problem in enumerate(drawn.problems):
            yield teach(problem, answers(drawn, number))


def explore(path: Path, model: Any, problems: Sequence[Problem], samples: int, teach: Teach, seed: int, plan: Plan) -> list[Shown]:
    """`explored`, a line a batch of problems in `path`; killed, the same call goes on behind the last whole batch."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    done, began = len(lines) * BATCH, time.monotonic()
    found = [shown for line in lines for shown in msgspec.json.decode(line, type=list[Shown])]
    left = problems[done:]
    with path.open("ab") as file:
        batch: list[Shown] = []
        for number, shown in enumerate(explored(model, left, samples, teach, seed + done, plan), 1):
            batch += shown
            if number % BATCH == 0 or number == len(left):
                file.write(msgspec.json.encode(batch) + b"\n")
                file.flush()
                found, batch = found + batch, []
                rest = (time.monotonic() - began) / number * (len(left) - number) / 60
                log.info("%d problems of %d explored  %.1f minutes left", done + number, len(problems), rest)
    return found
