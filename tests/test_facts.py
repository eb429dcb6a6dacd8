"""Short answers to questions of fact: equal by their words, unknown in between."""

import asyncio

import pytest

from ponder.tasks.free import free
from ponder.types import Message, Problem, Sample
from ponder.verifiers.facts import facts, key, stated, unknown


def graded(reference, text):
    [score] = asyncio.run(facts(Problem("q", (Message("user", "?"),), free, reference), [Sample(text)]))
    return score.value


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("Michio Sugeno", "\\boxed{michio sugeno}"),
        ("23 May 2010", "It was then.\nAnswer: May 23rd, 2010."),
        ("120,000 euros", "120000 Euros"),
        ("The Hague", "Hague"),
        ("Twelve", "12"),
        ("Jóhanna Sigurðardóttir", "Johanna Sigurðardottir"),
        ("International Sport Kickboxing Association (ISKA)", "ISKA"),
        ("International Sport Kickboxing Association (ISKA)", "the International Sport Kickboxing Association"),
    ],
)
def test_the_same_words_are_right(reference, text):
    assert graded(reference, text) == 1.0


@pytest.mark.parametrize(
    ("reference", "text"),
    [("Rome", "Paris"), ("2010", "2011"), ("Rome", "\\boxed{unknown}"), ("1997", "I don't know who won in 1997."), ("Rome", "")],
)
def test_no_word_in_common_or_no_answer_is_not_right(reference, text):
    assert graded(reference, text) == 0.0


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("Michio Sugeno", "Sugeno"),
        ("2010", "March 2010"),
        ("120,000 euros", "€120,000"),
        ("New York City", "NYC"),
        ("UN", "United Nations"),
    ],
)
def test_what_only_a_judge_can_tell_is_unknown(reference, text):
    assert graded(reference, text) is None


def test_without_a_reference_or_a_draw_nothing_is_known():
    assert graded(None, "Rome") is None
    [score] = asyncio.run(facts(Problem("q", (Message("user", "?"),), free, "Rome"), [Sample("", error="gone")]))
    assert score.value is None


def test_the_answer_is_what_is_boxed_or_the_last_line():
    assert stated("Well.\n\\boxed{Rome} it is") == "Rome"
    assert stated("Well.\n**Answer:** Rome\n") == "Rome"
    assert stated("Well.\nSo the answer is Rome.") == "Rome."
    assert key("** Rome.") == key("Rome")
    assert stated("\n") is None


@pytest.mark.parametrize(
    ("text", "answer", "does"),
    [
        ("It is \\boxed{Rome}", "Rome", False),
        ("I do not know.", None, True),
        ("\\boxed{unknown}", "unknown", True),
        ("I don't know who won in 1997", "1997", True),
        ("I did not know it at first.\n\\boxed{Rome}", "Rome", False),
        ("It cannot be determined: 3", "3", True),
    ],
)
def test_what_says_that_it_is_not_known_is_no_answer(text, answer, does):
    assert unknown(answer, text) is does
