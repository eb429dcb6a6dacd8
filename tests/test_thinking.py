"""Measures of thinking against the limits that their definitions have, and how a text is cut into thoughts and solutions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.lab.thinking import Piece, outcome_efficiency, pieces, process_efficiency, solutions, switches, thoughts, underthinking

TEXT = (
    "First 3 and 4. The answer is 7. Wait, let me check. So the answer is 8. Alternatively, add them. Hmm, the answer is 7. Done."
)


def stated(text):
    """The number behind the last "answer is", if there is one."""
    return text.rpartition("answer is ")[2].partition(".")[0] if "answer is " in text else None


def test_one_right_solution_is_efficient():
    """One solution, right: both 1."""
    assert outcome_efficiency([[Piece(10, "7", True)]]) == process_efficiency([[Piece(10, "7", True)]]) == 1


def test_repeating_the_right_solution_twice_wastes_two_thirds():
    """Three of equal length, alike and right: 1/3 and 1/3."""
    thrice = [Piece(10, "7", True)] * 3
    assert outcome_efficiency([thrice]) == process_efficiency([thrice]) == pytest.approx(1 / 3)


def test_nothing_right_has_no_outcome():
    """None right: 0; two wrong ones that differ are both new."""
    wrong = [Piece(10, "8"), Piece(20, "9")]
    assert outcome_efficiency([wrong]) == 0
    assert process_efficiency([wrong]) == 1


def test_efficiencies_are_means_over_responses_in_tokens():
    """Tokens to the end of the first right one, itself included, over all: 30 / 60; new ones 10 + 20 of 60; mean with a 1."""
    response = [Piece(10, "8"), Piece(20, "7", True), Piece(20, "7", True), Piece(10)]
    assert outcome_efficiency([response, [Piece(5, "7", True)]]) == pytest.approx((30 / 60 + 1) / 2)
    assert process_efficiency([response, [Piece(5, "7", True)]]) == pytest.approx((30 / 60 + 1) / 2)


def test_underthinking_is_measured_on_wrong_answers():
    """1 - T'/T: 3/4 where the first quarter was right, 0 where no thought was (T' = T); answers that are right do not count."""
    left = [Piece(10, "7", True), Piece(30, "8")], False
    lost = [Piece(10, "8"), Piece(30, "9")], False
    found = [Piece(10, "7", True), Piece(30, "8"), Piece(10, "7", True)], True
    assert underthinking([left]) == 0.75
    assert underthinking([lost]) == 0
    assert underthinking([left, lost, found]) == 0.375
    assert underthinking([found]) is None


_PIECES = st.lists(st.builds(Piece, st.integers(1, 50), st.sampled_from(("7", "8", None)), st.just(False)), min_size=1, max_size=8)


@given(_PIECES)
def test_all_measures_are_shares(response):
    right = [Piece(one.tokens, one.answer, one.answer == "7") for one in response]
    assert 0 <= outcome_efficiency([right]) <= 1
    assert 0 <= process_efficiency([right]) <= 1
    assert 0 <= underthinking([(right, False)]) < 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("We add and wait for the sum. I have no alternative.", 0),
        ("Wait, no. But wait, yes. Alternatively, maybe. or, alternatively, this", 4),
        ("Hmm. Hold on. On second thought no. Another approach: try. Let me try another way.", 5),
        ("Waiting rooms. Hmmm. Another apple.", 0),
        ("no, wait, it is", 1),
    ],
)
def test_switches_are_counted_by_words_that_begin_a_thought(text, count):
    assert switches(text) == count
    assert len(thoughts(text)) == count + (count == 0 and bool(text)) + (count > 0 and not text.startswith(("Wait", "Hmm")))


@given(
    st.lists(st.sampled_from(("Wait, ", "Hmm ", "Alternatively ", "so 3. ", "the answer is 7. ", "\n", "é")), max_size=12).map(
        "".join
    )
)
def test_parts_are_the_text(text):
    assert "".join(thoughts(text)) == "".join(solutions(text, stated)) == text


def test_a_solution_ends_with_the_thought_that_states_its_answer():
    parts = solutions(TEXT, stated)
    assert [stated(part) for part in parts] == ["7", "8", "7"]
    assert parts[1] == "Wait, let me check. So the answer is 8. "
    assert parts[2] == "Alternatively, add them. Hmm, the answer is 7. Done."
    assert solutions("no answer", stated) == ["no answer"]


def test_pieces_share_the_tokens_of_the_whole():
    found = pieces(solutions(TEXT, stated), 60, stated, "7".__eq__)
    assert sum(one.tokens for one in found) == 60
    assert [(one.answer, one.right) for one in found] == [("7", True), ("8", False), ("7", True)]
    assert outcome_efficiency([found]) == found[0].tokens / 60
    assert process_efficiency([found]) == (found[0].tokens + found[1].tokens) / 60
    assert pieces([""], 0, stated, "7".__eq__) == [Piece(0)]
