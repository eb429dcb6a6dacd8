"""Judges on a model that knows: what is read off their replies, what K of them are worth, and what a liking for a place does."""

import asyncio
from math import sqrt
from statistics import fmean, variance

import pytest

from ponder import trace
from ponder.errors import AbilityMissing, InputError
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Abilities, Message, Sample
from ponder.verifiers.judge import GenRM, Judge, _grade, _verdict
from referee import Referee

PROBLEM = problems(18)[17]
RIGHT, WRONG = Sample("so the answer 17"), Sample("so the answer 17~0")


def judge(verifier, *samples, problem=PROBLEM):
    return asyncio.run(verifier(problem, samples))


def compared(verifier, pairs, votes=1):
    async def main():
        return [await verifier.compare(PROBLEM, *pair, votes) for pair in pairs]

    return asyncio.run(main())


def numbered(answer, count):
    return [Sample(f"{number} answer {answer}") for number in range(count)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Grade: 7", 0.7),
        ("**Grade:** 8/10", 0.8),
        (r"grade = $\boxed{10}$", 1.0),
        ("Grade: 2. No.\nGrade: 6.5", 0.65),
        ("Grade: 0", 0.0),
        ("Grade: 11", None),
        ("Grade: " + "9" * 5000, None),
        ("Grade: -3", None),
        ("Grade (0-10), I would say", None),
        ("8 of 10", None),
        ("", None),
    ],
)
def test_a_grade_is_read_from_the_last_line_that_gives_one(text, value):
    assert _grade(Sample(text)) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(("text", "value"), [("Correct: yes", 1.0), ("Correct: No\nCorrect: Yes", 1.0), ("correct = no", 0.0)])
def test_the_last_verdict_counts(text, value):
    assert _verdict(Sample(text)) == value


def test_a_judge_grades_by_its_rubric():
    right, wrong, failed = judge(Judge(Referee()), RIGHT, WRONG, Sample("", error="the endpoint broke off"))
    assert (right.value, wrong.value, failed.value) == (0.9, 0.2, None)
    assert "broke off" in failed.error


def test_what_cannot_be_read_is_unknown_and_says_what_was_said():
    for verifier in (Judge(Referee(words_only="I would rather not.")), GenRM(Referee(words_only="Maybe."), votes=3)):
        [score] = judge(verifier, RIGHT)
        assert score.value is None
        assert "no verdict" in score.error
        assert verifier.model.words_only in score.error
    assert compared(Judge(Referee(words_only="Both.")), [(RIGHT, WRONG)], votes=4) == [None]


def test_a_judge_whose_model_fails_does_not_know():
    class Down(Referee):
        async def stream(self, request):
            raise InputError("the prompt exceeds the context")
            yield

    [score] = judge(Judge(Down()), RIGHT)
    assert (score.value, score.error) == (None, "the prompt exceeds the context")
    assert compared(Judge(Down()), [(RIGHT, WRONG)], votes=2) == [None]
    assert compared(Judge(Referee()), [(RIGHT, Sample("", error="broke off"))]) == [None]


def test_k_rationales_have_the_variance_of_one_divided_by_k_down_to_what_they_share():
    """Var = s² (r + (1-r)/K): verdicts on one solution are independent given q = P(its verdict is yes), so with r = Var(q) / s²,
    half of the solutions right and skill .8, s² = .25 and r = (.8 - .2)² / 4 / .25 = .36."""
    samples = [one for pair in zip(numbered("17", 150), numbered("x", 150), strict=True) for one in pair]
    for votes in (1, 8):
        values = [score.value for score in judge(GenRM(Referee(skill=0.8), votes=votes), *samples)]
        expected = 0.25 * (0.36 + 0.64 / votes)
        assert variance(values) == pytest.approx(expected, rel=0.15)
        assert fmean(values[::2]) == pytest.approx(0.8, abs=4 * sqrt(0.16 / votes / 150))


def test_without_reasons_the_probability_of_one_token_is_the_score():
    """GenRM: P(yes) from the token's log-probability, 1 - P of a no; one call, one token."""
    model = Referee(skill=0.7)
    right, wrong = judge(GenRM(model, reasons=False, votes=9), RIGHT, WRONG)
    assert (right.value, wrong.value) == (pytest.approx(0.7), pytest.approx(0.3))
    assert model.tally.calls == 2
    [unread] = judge(GenRM(Referee(words_only="The"), reasons=False), RIGHT)
    assert unread.value is None
    with pytest.raises(AbilityMissing, match="log-probabilities"):
        judge(GenRM(Referee(abilities=Abilities()), reasons=False), RIGHT)


def test_no_votes_are_no_judgement():
    with pytest.raises(InputError, match="1 vote or more, and has 0"):
        judge(Judge(Referee(), votes=0), RIGHT)


def test_a_liking_for_a_place_is_cancelled_by_showing_both_orders():
    """P("1") = 1 whatever is shown: 1 in one order, 1/2 in both. With place b on skill s, one order prefers right over wrong with
    s + (1-s) b where it stands first and s (1-b) where it stands second: the mean over both orders is s + b/2 - s b."""
    stubborn = Judge(Referee(place=1.0))
    assert compared(stubborn, [(RIGHT, WRONG), (WRONG, RIGHT)]) == [1.0, 1.0]
    assert compared(stubborn, [(RIGHT, WRONG), (WRONG, RIGHT)], votes=2) == [0.5, 0.5]
    partial = Judge(Referee(skill=0.8, place=0.4))
    pairs = list(zip(numbered("17", 200), numbered("x", 200), strict=True))
    expected = 0.8 + 0.2 - 0.32
    for some in (pairs, [pair[::-1] for pair in pairs]):
        prefers_right = fmean(value if some is pairs else 1 - value for value in compared(partial, some, votes=2))
        assert prefers_right == pytest.approx(expected, abs=4 * sqrt(0.25 / 2 / 200))


def test_equal_questions_to_a_judge_are_drawn_anew():
    """In one solve no draw is given twice: K comparisons of equal texts are K draws, whichever match they belong to."""
    model = Referee(abilities=Abilities())
    record = Trace()
    with trace.tracing(record):
        compared(Judge(model), [(RIGHT, RIGHT), (RIGHT, RIGHT)], votes=4)
        judge(Judge(model, votes=3), RIGHT, RIGHT)
    drawn = [event.data["index"] for event in record.events if event.kind == "drawn"]
    assert sorted(drawn[:8]) == list(range(8))
    assert sorted(drawn[8:]) == list(range(6))
    assert {event.data["role"] for event in record.events if event.kind == "drawn"} == {"judge"}


def test_a_judge_reads_the_whole_conversation_and_its_own_rubric():
    seen = []

    class Listening(Referee):
        async def stream(self, request):
            seen.append(request.messages[-1].content)
            async for chunk in super().stream(request):
                yield chunk

    turns = (Message("user", "simulated problem 3"), Message("assistant", "answer {3}"), Message("user", "simulated problem 17"))
    talk = type(PROBLEM)("talk", turns, PROBLEM.task)
    judge(Judge(Listening(), rubric="Be {brief}."), RIGHT, problem=talk)
    assert "assistant: answer {3}" in seen[0]
    assert "Be {brief}." in seen[0]
    assert "user: " not in seen[0].partition("assistant: ")[2].partition("user: ")[2]
