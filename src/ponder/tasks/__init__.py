"""What is asked, and how it is graded: one task a file."""

from dataclasses import replace
from typing import Any

from ponder import separator
from ponder.registry import Registry
from ponder.types import Problem, Task

tasks: Registry[Task] = Registry(
    "task",
    "ponder.tasks",
    {
        "aime24": "ponder.tasks.competitions:aime24",
        "aime25": "ponder.tasks.competitions:aime25",
        "amc23": "ponder.tasks.competitions:amc23",
        "amc24": "ponder.tasks.competitions:amc24",
        "arc": "ponder.tasks.arc:arc",
        "arithmetic": "ponder.tasks.arithmetic:arithmetic_mixed",
        "arithmetic-4": "ponder.tasks.arithmetic:arithmetic_4",
        "arithmetic-8": "ponder.tasks.arithmetic:arithmetic_8",
        "arithmetic-12": "ponder.tasks.arithmetic:arithmetic_12",
        "arithmetic-16": "ponder.tasks.arithmetic:arithmetic_16",
        "brumo25": "ponder.tasks.competitions:brumo25",
        "codecontests": "ponder.tasks.codecontests:codecontests",
        "countdown": "ponder.tasks.countdown:countdown_mixed",
        "countdown-3": "ponder.tasks.countdown:countdown_3",
        "countdown-4": "ponder.tasks.countdown:countdown_4",
        "countdown-5": "ponder.tasks.countdown:countdown_5",
        "crosswords": "ponder.tasks.crosswords:crosswords",
        "cruxeval-i": "ponder.tasks.cruxeval:cruxeval_i",
        "cruxeval-o": "ponder.tasks.cruxeval:cruxeval_o",
        "free": "ponder.tasks.free:free",
        "game24": "ponder.tasks.game24:game24",
        "gsm8k": "ponder.tasks.gsm8k:gsm8k",
        "hmmt25": "ponder.tasks.competitions:hmmt25",
        "hotpotqa": "ponder.tasks.hotpotqa:hotpotqa",
        "humaneval": "ponder.tasks.humaneval:humaneval",
        "humaneval-plus": "ponder.tasks.evalplus:humaneval_plus",
        "ifeval": "ponder.tasks.ifeval:ifeval",
        "leetcode": "ponder.tasks.leetcode:leetcode",
        "math500": "ponder.tasks.competitions:math500",
        "mbpp": "ponder.tasks.mbpp:mbpp",
        "mbpp-plus": "ponder.tasks.evalplus:mbpp_plus",
        "mbpp-sanitized": "ponder.tasks.mbpp:sanitized",
        "simpleqa": "ponder.tasks.simpleqa:simpleqa",
        "simpleqa-verified": "ponder.tasks.simpleqa:verified",
        "simulated": "ponder.tasks.simulated:simulated",
        "truthfulqa": "ponder.tasks.truthfulqa:truthfulqa",
    },
)


def get(name: str) -> Task:
    """The task called `name`, or `reasoning-gym:FAMILY`; raises InputError if there is none."""
    kind, colon, family = name.partition(":")
    if colon and kind == "reasoning-gym":
        from ponder.tasks import reasoning_gym

        return reasoning_gym.family(family)
    return tasks.get(name)


def sampled(task: Task, temperature: float | None = None, max_tokens: int | None = None, step: str | None = None) -> Task:
    """The task with its sampling settings overridden, and its problems with it."""
    given = {"temperature": temperature, "max_tokens": max_tokens, "step": None if step is None else separator.read(step)}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}

    def load(split: str, limit: int | None) -> list[Problem]:
        return [replace(one, task=replace(one.task, **changed)) for one in task.load(split, limit)]

    return replace(task, load=load, **changed) if changed else task


def recognise(text: str) -> Problem | None:
    """The user's words as a problem of the first task, by name, that recognises them; None if none does."""
    for task in tasks.all().values():
        if (found := task.recognise(text)) is not None:
            return found
    return None


def problem(question: str) -> Problem:
    """The user's words as a problem: of the task that recognises them, else of the task `free`."""
    from ponder.tasks import free

    return recognise(question) or free.problem(question)
