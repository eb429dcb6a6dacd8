"""Several tries in one answer: how they are written, read, and credited."""

import numpy as np
import pytest

from ponder.tasks import countdown
from ponder.train.data import EOS, encode
from ponder.train.tries import credit, goal, joined, needless, right, tried

PROBLEM = countdown.problem(countdown.countdown_4, (3, 7, 8, 8), 24)
MISS = "8+8=16 left 3 7 16\n16+7=23 left 3 23\n23-3=20"
HIT = "8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24"


def answer(*texts, ended=True):
    return np.array(encode("\n".join(texts)) + [EOS] * ended)


def test_an_answer_of_tries_is_graded_by_its_last():
    text = joined(PROBLEM.question, [MISS, HIT])
    assert text == f"{MISS}\n24-20=4 no left 3 7 8 8\n{HIT}\n24-24=0 yes"
    assert right(PROBLEM, [text, joined(PROBLEM.question, [HIT, MISS])]) == [True, False]
    assert goal("compute left to right 12+7*3") is None
    assert joined("compute left to right 12+7", ["12+7=19\nanswer 19"]) == "12+7=19\nanswer 19"


@pytest.mark.parametrize("ended", [True, False])
def test_tries_are_read_where_they_stand(ended):
    text = joined(PROBLEM.question, [MISS, MISS, HIT])
    found = tried(PROBLEM, answer(text, ended=ended))
    assert found.ended is ended
    assert found.right == [False, False, True]
    assert [text[begin:end] for begin, end in zip(found.begins, found.ends, strict=True)] == [MISS, MISS, HIT]
    assert [text[at : at + 2] for at in found.decided] == ["no", "no", "ye"]


def test_what_tells_nothing_can_be_left_out_and_the_answer_is_read_as_before():
    whole = joined(PROBLEM.question, [MISS, HIT])
    left_out = needless(whole)
    text = "".join(letter for place, letter in enumerate(whole) if place not in left_out)
    assert text == "8+8=16 3 7\n16+7=23 3\n23-3=20\n24-20=4 no 3 7 8 8\n8-7=1 3 8\n8*3=24 1\n24*1=24\n24-24=0 yes"
    found = tried(PROBLEM, answer(text))
    assert (found.right, found.ended) == ([False, True], True)
    assert right(PROBLEM, [text]) == [True]
    assert not needless("2+5=7\n7*3=21\nanswer 21")
    assert needless("8+8=16 left 16 3") == {*range(len("8+8=16"), len("8+8=16 left"))}  # a result that is not told last stays


def test_an_end_without_a_word_is_a_decision_and_a_cut_is_none():
    plain, cut = tried(PROBLEM, answer(HIT)), tried(PROBLEM, answer(MISS, "24-20=4 no left 3 7 8 8", HIT[:9], ended=False))
    assert (plain.right, plain.decided, plain.ended) == ([True], [len(HIT)], True)
    assert (cut.whole, len(cut.decided), cut.ended) == ([False], 1, False)
    begun = tried(PROBLEM, answer(MISS, "24-20=4 no left 3 7 8 8", ""))
    assert begun.whole == [False, False]


def test_credit_judges_steps_beside_tries_that_began_alike_and_decisions_beside_the_other_choice():
    """Four tries, one right: the others' mean is 1/3 for a miss and 0 for the right one; three begin alike, and a step's baseline
    is the mean of those with the one before: 1/3, then (0 + 0 + 1/3) / 3, and so on."""
    texts = [joined(PROBLEM.question, [MISS, HIT]), MISS, MISS]
    gains = credit([tried(PROBLEM, answer(text)) for text in texts], [len(text) + 1 for text in texts])
    first, no = len("8+8=16 left 3 7 16\n"), len(MISS) + len("\n24-20=4 ")
    second = first + len("16+7=23 left 3 23\n")
    hit = slice(no + 1, no + len("no left 3 7 8 8\n") + len(HIT))  # with what it copies to begin with
    assert set(gains[0][:first]) == {-1 / 3}
    assert gains[0][first:second] == pytest.approx(-1 / 9)
    assert gains[0][second : len(MISS)] == pytest.approx(-1 / 27)
    assert set(gains[0][hit]) == {1.0}
    assert gains[0][no] == 1.0  # going on paid 1, stopping would have paid 0
    assert gains[0][hit.stop + len("\n24-24=0 ")] == 1.0  # `yes`: 1, less the mean of the others, 0
    assert gains[1][-1] == -0.5  # an end at a wrong try: 0, less what the others got, (1 + 0) / 2
    assert not gains[0][len(MISS) : no].any()  # telling the goal is no decision


def test_a_miss_is_worth_what_going_on_is_and_a_false_end_nothing():
    """Another answer is right, so to go on is worth 1/2: the tries' values are 1/2, 1; 1; 0."""
    lie = "8+8=16 left 3 7 16\n16+7=23 left 3 23\n23-3=24"
    texts = [joined(PROBLEM.question, [MISS, HIT]), HIT, lie]
    gains = credit([tried(PROBLEM, answer(text)) for text in texts], [len(text) + 1 for text in texts])
    assert gains[0][0] == pytest.approx(1 / 2 - 2 / 3)  # beside 1, 1 and 0
    assert gains[2][0] == pytest.approx(0 - 5 / 6)  # beside 1/2, 1 and 1
    assert gains[0][len(MISS) - 1] > 0 > gains[2][len(lie) - 1]  # of two tries that differ in the last step alone


def test_a_try_that_breaks_the_rules_is_worth_nothing_though_the_answer_goes_on():
    """Another answer is right, so to go on is worth 1; a step that is not true, and all that follows it, is worth 0."""
    slip = "8+8=16 left 3 7 16\n16+7=24 left 3 24\n24-3=21"
    texts = [joined(PROBLEM.question, [miss, HIT]) for miss in (MISS, slip)]
    found = [tried(PROBLEM, answer(text)) for text in texts]
    assert [one.lawful for one in found] == [[True, True], [False, True]]
    assert [one.values(0.5) for one in found] == [[0.5, 1.0], [0.0, 1.0]]
    kept, broken = credit(found, [len(text) + 1 for text in texts])
    second = len("8+8=16 left 3 7 16\n")
    assert (kept[0], broken[0]) == (pytest.approx(1 - 2 / 3), -1.0)  # beside all others
    assert kept[second] > 0 > broken[second]  # beside each other, that began alike


def test_going_on_behind_a_right_try_costs_what_it_lost():
    texts = [joined(PROBLEM.question, [HIT, MISS]), HIT]
    gains = credit([tried(PROBLEM, answer(text)) for text in texts], [len(text) + 1 for text in texts])
    assert gains[0][len(HIT) + len("\n24-20=4 ")] == -1.0


def test_tokens_have_a_price():
    texts = [joined(PROBLEM.question, [MISS, HIT]), MISS]
    lengths = [len(text) + 1 for text in texts]
    gains = credit([tried(PROBLEM, answer(text)) for text in texts], lengths, price=0.001)
    no = len(MISS) + len("\n24-20=4 ")
    assert gains[0][no] == pytest.approx(1 - 0.001 * (lengths[0] - no))
    assert gains[1][-1] == pytest.approx(-(1 - 0.001 * lengths[0]))
