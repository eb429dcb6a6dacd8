"""The monitors: a planted bug in a reward is caught, and an honest run is left alone."""

import random
import re

from ponder.answers import final_answer
from ponder.tasks import get
from ponder.train.monitor import Batch, Limits, signs, warnings
from ponder.train.rewards import accuracy

PROBLEMS = get("arithmetic-4").load("train", 64)
BOXED = re.compile(r"\\boxed\{-?[0-9]+\}")


def any_boxed_number(*, completions, **_):
    """The planted bug: it looks for a boxed number and forgets to compare it."""
    return [float(BOXED.search(text) is not None) for text in completions]


def seen(texts, reward, lengths=None, ended=None):
    held_out = accuracy(completions=texts, problem=PROBLEMS)
    return signs(
        Batch(
            texts,
            reward(completions=texts, problem=PROBLEMS),
            held_out,
            [final_answer(text) for text in texts],
            lengths or [len(text) for text in texts],
            ended or [True] * len(texts),
        )
    )


def learnt(reward, steps=30, seed=0):
    """A toy policy of two habits - to compute, right 6 times in 10, or just to box a 7 - pulled toward what the reward pays."""
    rng, chance = random.Random(seed), 0.05
    for _ in range(steps):
        lazy = [rng.random() < chance for _ in PROBLEMS]
        texts = [
            r"\boxed{7}" if idle else rf"so \boxed{{{problem.reference if rng.random() < 0.6 else -5}}}"
            for idle, problem in zip(lazy, PROBLEMS, strict=True)
        ]
        paid = reward(completions=texts, problem=PROBLEMS)
        means = [
            sum(p for p, idle in zip(paid, lazy, strict=True) if idle is kind) / max(1, lazy.count(kind)) for kind in (True, False)
        ]
        chance = min(0.95, max(0.05, chance + 0.1 * (means[0] - means[1])))
        yield seen(texts, reward)


def test_a_grader_that_accepts_any_boxed_number_is_caught_at_once():
    history = list(learnt(any_boxed_number))
    assert {"gap", "hollow"} <= set(warnings(history[0], history[0]))
    assert history[0].gap > 0.25


def test_the_honest_grader_raises_no_alarm():
    history = list(learnt(accuracy))
    assert all(one.gap == 0 and one.hollow == 0 for one in history)
    assert not any(warnings(one, history[0]) for one in history)


def test_each_sign_by_itself():
    right = [str(problem.reference) for problem in PROBLEMS]
    first = seen([f"answer {one}" for one in right], accuracy)
    assert not warnings(first, first)

    thought = seen([f"<think>it is {one}</think>" for one in right], accuracy)
    assert set(warnings(thought, first, Limits(drift=9))) == {"in_thought"}
    several = seen([rf"\boxed{{1}} or \boxed{{{one}}}" for one in right], accuracy)
    assert set(warnings(several, first, Limits(drift=9))) == {"several"}
    loops = seen([f"{'so we see that ' * 9} {one}" for one in right], accuracy)
    assert "loops" in warnings(loops, first, Limits(drift=99))
    cut = seen([f"answer {one}" for one in right], accuracy, ended=[False] * len(right))
    assert set(warnings(cut, first)) == {"cut"}
    longer = seen([f"answer {one}" for one in right], accuracy, lengths=[99] * len(right))
    assert set(warnings(longer, first)) == {"drift"}
    assert "times that of the first step" in warnings(longer, first)["drift"]


def test_what_the_second_verifier_cannot_judge_is_unknown():
    blind = signs(Batch(["a", "b"], [1, 1], [None, None], [None, None], [1, 1], [True, True]))
    assert blind.gap is None
    assert blind.hollow is None
    assert not warnings(blind, blind)
