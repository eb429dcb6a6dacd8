"""One way to compare two samples, for verifiers that compare and for those that score."""

import asyncio

import pytest

from ponder.tasks.simulated import problems
from ponder.types import Sample, Score
from ponder.verifiers.check import Check
from ponder.verifiers.pairwise import compare
from ponder.verifiers.simulated import Judge

PROBLEM = problems(1)[0]
SCORES = Check("length", "nothing", lambda problem, text: Score(len(text) / 10) if text else Score(None, error="nothing there"))


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [("aaa", "bb", 1.0), ("bb", "aaa", 0.0), ("aa", "bb", 0.5), ("", "bb", None), ("aa", "", None)],
)
def test_scores_are_compared_and_an_unknown_one_leaves_it_open(first, second, value):
    assert asyncio.run(compare(SCORES, PROBLEM, Sample(first), Sample(second), votes=7)) == value


def test_scores_are_asked_for_once_since_they_say_the_same_every_time():
    asked = []
    counted = Check("counted", "nothing", lambda problem, text: asked.append(text) or Score(0.5))
    assert asyncio.run(compare(counted, PROBLEM, Sample("a"), Sample("b"), votes=9)) == 0.5
    assert asked == ["a", "b"]


def test_a_verifier_that_compares_is_asked_to():
    truth = Check("truth", "nothing", lambda problem, text: Score(float(text == "right")))
    judge = Judge(truth, accuracy=1.0)
    for pair, value in ((("right", "wrong"), 1.0), (("wrong", "right"), 0.0)):
        assert asyncio.run(compare(judge, PROBLEM, *map(Sample, pair), votes=4)) == value
    [score] = asyncio.run(judge(PROBLEM, [Sample("right")]))
    assert score.value is None
