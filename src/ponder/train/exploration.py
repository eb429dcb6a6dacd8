"""What tries side by side find, as answers to learn from: no demonstrations, only draws and their grades.

A model that answers in one go does not know that it could begin anew, and reinforcement finds only what is sometimes drawn. So the
explorer begins anew for it: the draws of a problem, one after another, are one long search, cut behind each try that is right.
"""

import logging
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ponder.tasks import countdown
from ponder.train.grpo import Plan, draw
from ponder.train.sft import Shown
from ponder.train.tries import goal, right, searches
from ponder.types import Problem

log = logging.getLogger(__name__)
BATCH = 128
"""Problems drawn together."""
MOST = 6
"""Wrong tries before the right one, in hindsight."""


def hindsight(problem: Problem, tries: Sequence[str], rng: random.Random) -> Shown | None:
    """A search that missed its goal as one for what its last try reached (Andrychowicz et al. 2017): right, if that try kept the
    rules and none before it reached the same.

    It begins at random. None where nothing can be relabelled, or where what would be asked is no problem of the training split.
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


def explored(model: Any, problems: Sequence[Problem], samples: int, each: int, seed: int, plan: Plan) -> Iterator[list[Shown]]:
    """For each problem, the first `each` searches of `samples` draws at the plan's temperatures, and one in hindsight."""
    for at in range(0, len(problems), BATCH):
        drawn = draw(model, problems[at : at + BATCH], plan, samples, seed + at)
        for number, problem in enumerate(drawn.problems):
            place = slice(number * samples, (number + 1) * samples)
            tries = [
                (text, bool(grade == 1.0))
                for text, grade, ended in zip(drawn.texts[place], drawn.rewards[number], drawn.ended[place], strict=True)
                if ended
            ]
            yield taught(problem, tries, each, random.Random(problem.question))


def taught(problem: Problem, tries: Sequence[tuple[str, bool]], each: int, rng: random.Random) -> list[Shown]:
    """What the draws of a problem, each with its verdict, give to learn from."""
    found = searches(tries, goal(problem.question) is not None)
    shown = [Shown(problem.question, chain) for chain, _ in zip(found, range(each), strict=False)]
    again = hindsight(problem, [text for text, correct in tries if not correct], rng)
    return shown if again is None else [*shown, again]


def explore(path: Path, model: Any, problems: Sequence[Problem], samples: int, each: int, seed: int, plan: Plan) -> list[Shown]:
    """`explored`, a line a batch of problems in `path`; killed, the same call goes on behind the last whole batch."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    done, began = len(lines) * BATCH, time.monotonic()
    found = [shown for line in lines for shown in msgspec.json.decode(line, type=list[Shown])]
    left = problems[done:]
    with path.open("ab") as file:
        batch: list[Shown] = []
        for number, shown in enumerate(explored(model, left, samples, each, seed + done, plan), 1):
            batch += shown
            if number % BATCH == 0 or number == len(left):
                file.write(msgspec.json.encode(batch) + b"\n")
                file.flush()
                found, batch = found + batch, []
                rest = (time.monotonic() - began) / number * (len(left) - number) / 60
                log.info("%d problems of %d explored  %.1f minutes left", done + number, len(problems), rest)
    return found
