"""Answers to learn from, out of what a model draws and how it is graded: no demonstrations.

A model that answers in one go does not know that it could begin anew, and reinforcement finds only what is sometimes drawn. So the
explorer begins anew for it: draws of a problem are independent, so a right one behind some wrong ones is a search as it could have
gone.
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
from ponder.train.tries import goal, lawful, right, tried
from ponder.types import Problem

log = logging.getLogger(__name__)
BATCH = 128
"""Problems drawn together."""
MOST = 6
"""Wrong tries before the right one."""
EACH = 4
"""Answers shown of one problem."""
FEW = 4
"""Tries of an answer that is short."""

Answer = list[tuple[str, bool]]
"""The tries of a drawn answer, each with its verdict."""
Teach = Callable[[Problem, Sequence[Answer]], list[Shown]]


def searched(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """Right tries, each behind some of the wrong ones in any order; and one in hindsight."""
    tries = _tries(problem, answers)
    again = hindsight(problem, [text for text, correct in tries if not correct], random.Random(problem.question))
    return [*_searches(problem, tries), *([] if again is None else [again])]


def curated(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """Searches that try nothing twice."""
    return _searches(problem, list(dict.fromkeys(_tries(problem, answers))))


def _tries(problem: Problem, answers: Sequence[Answer]) -> Answer:
    """All tries but those that break the rules: who reads them learns to break them, and a verdict on one that claims the goal
    would be a lie."""
    return [(text, correct) for answer in answers for text, correct in answer if correct or lawful(problem.question, text)]


def _searches(problem: Problem, tries: Answer) -> list[Shown]:
    """As many for each solved problem. Without a goal, right tries stand alone: a model that cannot know that it was wrong has no
    reason to begin anew."""
    rng, good = random.Random(problem.question), [text for text, correct in tries if correct]
    wrong = [text for text, correct in tries if not correct] if goal(problem.question) is not None else []
    return [_shown(problem, (*_some(wrong, rng), rng.choice(good))) for _ in range(EACH) if good]


def _shown(problem: Problem, tries: tuple[str, ...]) -> Shown:
    return Shown(problem.question, tries, problem.task.temperature)


def _some(wrong: Sequence[str], rng: random.Random) -> list[str]:
    return rng.sample(wrong, rng.randint(0, min(MOST, len(wrong))))


def rejected(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """The answers that are right (rejection sampling), without tries that break the rules."""
    good = dict.fromkeys(tuple(text for text, _ in _tries(problem, [answer])) for answer in answers if answer and answer[-1][1])
    return [_shown(problem, tries) for tries, _ in zip(good, range(EACH), strict=False)]


def concise(problem: Problem, answers: Sequence[Answer]) -> list[Shown]:
    """The right answers of few tries, written briefly (long to short by rejection sampling: Kimi Team 2025, section 2.4)."""
    return [brief(one) for one in rejected(problem, answers) if len(one.tries) <= FEW]


def brief(shown: Shown) -> Shown:
    """The same search with nothing tried twice and without the letters that tell nothing."""
    return msgspec.structs.replace(shown, tries=tuple(dict.fromkeys(shown.tries)), brief=True)


def hindsight(problem: Problem, tries: Sequence[str], rng: random.Random) -> Shown | None:
    """A search that missed its goal as one for what one of its tries reached (Andrychowicz et al. 2017): right, if that try kept
    the rules and none before it reached the same. None where it broke them, or where that would be no problem of the training
    split."""
    puzzle = countdown.puzzle(problem.question)
    if puzzle is None or not tries:
        return None
    last = rng.choice(tries)
    reached = last.rpartition("=")[2]
    if not reached.isdecimal() or not 1 <= int(reached) <= countdown.LARGEST_TARGET:
        return None
    asked = countdown.problem(problem.task, puzzle[0], int(reached))
    if countdown.split_of(puzzle[0], int(reached)) != "train" or right(asked, [last]) != [True]:
        return None
    return _shown(asked, (*_some([text for text in tries if text.rpartition("=")[2] != reached], rng), last))


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
