"""Extraction in its documented order, keys that are equal exactly for equal answers, and votes with their closed forms."""

from fractions import Fraction
from random import Random
from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ponder.answers import best, canonical, classes, final_answer, majority, weighted
from ponder.types import Candidate, Sample, Score

EXTRACTED = [
    (r"answer: 1, so \boxed{\frac{1}{2}} and then \boxed{3", r"\frac{1}{2}"),
    (r"first \boxed{1}, corrected: \boxed{2}", "2"),
    (r"\boxed{\boxed{3}}", "3"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"} } \boxed{4} {", "4"),
    (r"\boxed{} the answer is 5", "5"),
    ("The answer is 7\n#### 1,234\n", "1,234"),
    ("#### Step 1\nThe answer is 18 eggs per day. Then 5.", "18"),
    ("**Answer:** $18", "$18"),
    ("Answer: **18**", "18"),
    ("5+5=10\nanswer 42", "42"),
    ("The answer is 3. No: the answer is 4.", "4"),
    (r"The final answer is $\frac{1}{2}$. I hope it is correct.", r"$\frac{1}{2}$"),
    (r"The answer is $\sqrt{2}$.", r"$\sqrt{2}$"),
    ("The answer is Paris.", "Paris"),
    ("Answer:\n18", "18"),
    ("The unanswered question is why 6 is", "6"),
    ("3 - 5 is -2.5.", "-2.5"),
    ("5-3", "3"),
    ("it costs 1,000 dollars", "1,000"),
    ("١٢", "١٢"),
    ("nothing", None),
    ("", None),
]

SAME = [
    ["1000", "1,000.0", "1000.", " +1000 ", "$1{,}000$", r"1\,000", r"\$1000", "1000%", r"1000\%", "١٠٠٠"],
    ["1/2", "0.5", ".50", r"\frac12", r"\frac{1}{2}", r"\dfrac 1 2", "2/4", "$0.5$", r"\boxed{0.5}"],
    ["-5", "−5", "－5", "-5.00", "10/-2"],
    ["0", "-0", "0.0", "0/7"],
    ["paris", "Paris.", r"\text{Paris}", "  PARIS  "],
    ["(1,2)", "(1, 2)", r"$\left( 1, 2 \right)$"],
    ["x+1", "x + 1"],
]

DIFFERENT = [
    "1,2",
    "12",
    "1/0",
    "10^2",
    "100",
    "1e2",
    r"2\frac12",
    "21/2",
    r"\frac123",
    "1/23",
    "1 000",
    "",
    "x^{10}",
    "x^10",
    "²",
    "2",
]

HOSTILE = {
    "a number of a million digits": "9" * 10**6,
    "a tower of powers": "10^10^10",
    "open boxes": r"\boxed{" * 10**5,
    "nested boxes": r"\boxed{" * 10**5 + "1" + "}" * 10**5,
    "open text": r"\text{" * 10**5,
    "nested fractions": r"\frac{" * 10**5 + "1" + "}{2}" * 10**5,
    "braces": "{" * 10**6,
    "backslashes": "\\" * 10**6,
    "phrases without an answer": "answer is " * 10**5,
    "a phrase and spaces": "answer" + " " * 10**6,
    "hashes": "####\n" * 10**5,
    "digits and commas": "1," * 10**6,
    "unicode digits": "٣" * 10**6,
    "minus signs": "-" * 10**6,
    "null bytes": "\0" * 10**6,
    "a lone surrogate": "\ud800 5",
}


@pytest.mark.parametrize(("text", "answer"), EXTRACTED)
def test_final_answer(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize("answers", SAME, ids=lambda answers: answers[0])
def test_answers_that_mean_the_same_have_one_key(answers: list[str]) -> None:
    assert {canonical(answer) for answer in answers} == {answers[0]}


def test_answers_that_mean_different_things_have_different_keys() -> None:
    assert len({canonical(answer) for answer in DIFFERENT}) == len(DIFFERENT)


@given(st.fractions())
def test_a_fraction_has_one_key_however_it_is_written(value: Fraction) -> None:
    assert canonical(f"{value.numerator}/{value.denominator}") == str(value)
    assert canonical(rf"\frac{{{3 * value.numerator}}}{{{3 * value.denominator}}}") == str(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_a_decimal_has_one_key_however_it_is_written(value: object) -> None:
    assert canonical(f"{value:,}00") == canonical(f"${value:f}$") == str(Fraction(str(value)))


@example("\\")
@given(st.text())
def test_any_text_has_a_key_and_any_extracted_answer_stands_in_its_text(text: str) -> None:
    assert canonical(text) == canonical(f" {text} ")
    assert (final_answer(text) or "") in text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_bounded_time(text: str) -> None:
    start = perf_counter()
    final_answer(text)
    canonical(text)
    assert perf_counter() - start < 20.0


def drawn(index: int, answer: str | None, value: float | None = None) -> Candidate:
    return Candidate(Sample(text="", index=index), answer, None if value is None else Score(value))


def index(winner: Candidate | None) -> int | None:
    return None if winner is None else winner.sample.index


ANSWERS = st.sampled_from([None, "1", "1.0", "2", "3"])
VALUES = st.none() | st.integers(0, 8).map(lambda eighths: eighths / 8)
POOLS = st.lists(st.tuples(ANSWERS, VALUES), max_size=12).map(
    lambda rows: [drawn(position, answer, value) for position, (answer, value) in enumerate(rows)]
)


def test_classes_are_ordered_by_first_member_and_members_by_index() -> None:
    pool = [drawn(3, "2"), drawn(1, "1"), drawn(2, None), drawn(0, "2.0")]
    assert {key: [one.sample.index for one in members] for key, members in classes(pool, canonical).items()} == {
        "2": [0, 3],
        "1": [1],
    }


def test_majority_counts_equivalent_answers_and_gives_the_first_of_them() -> None:
    assert index(majority([drawn(0, "3"), drawn(1, "1"), drawn(2, "1.0")], canonical)) == 1


def test_a_tie_goes_to_the_class_whose_first_member_is_earliest() -> None:
    pool = [drawn(0, None), drawn(1, "b"), drawn(2, "a"), drawn(3, "a"), drawn(4, "b")]
    assert index(majority(pool, canonical)) == 1
    assert index(weighted([drawn(one.sample.index, one.answer, 0.0) for one in pool], canonical)) == 1


def test_unscored_candidates_carry_no_weight_and_never_win() -> None:
    pool = [drawn(0, "1"), drawn(1, "1"), drawn(2, "2", 0.1)]
    assert index(weighted(pool, canonical)) == index(best(pool)) == 2
    assert weighted(pool[:2], canonical) is None
    assert best(pool[:2]) is None


def test_without_any_answer_there_is_no_vote() -> None:
    assert majority([drawn(0, None, 1.0)], canonical) is None
    assert weighted([drawn(0, None, 1.0)], canonical) is None
    assert majority([], canonical) is weighted([], canonical) is best([]) is None


def test_weights_are_summed_within_a_class() -> None:
    pool = [drawn(0, "1", 0.5), drawn(1, "2", 0.375), drawn(2, "2.0", 0.25)]
    assert index(weighted(pool, canonical)) == 1
    assert index(best(pool)) == 0


@given(POOLS, st.randoms(use_true_random=False))
def test_votes_do_not_depend_on_the_order_given(pool: list[Candidate], random: object) -> None:
    shuffled = list(pool)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert classes(shuffled, canonical) == classes(pool, canonical)
    assert majority(shuffled, canonical) == majority(pool, canonical)
    assert weighted(shuffled, canonical) == weighted(pool, canonical)
    assert best(shuffled) == best(pool)


@given(POOLS, st.sampled_from([0.1, 0.5, 1.0]))
def test_equal_weights_give_the_majority(pool: list[Candidate], weight: float) -> None:
    equal = [drawn(one.sample.index, one.answer, weight) for one in pool]
    assert index(weighted(equal, canonical)) == index(majority(pool, canonical))


@given(POOLS)
def test_weights_of_correctness_give_coverage(pool: list[Candidate]) -> None:
    judged = [drawn(one.sample.index, one.answer, float(canonical(one.answer or "") == "1")) for one in pool]
    winner = weighted(judged, canonical)
    covered = any(canonical(one.answer or "") == "1" for one in pool)
    assert covered == (winner is not None and canonical(winner.answer or "") == "1")


@given(POOLS, st.sampled_from([0.5, 0.25, 0.125]))
def test_the_weighted_vote_is_scale_invariant(pool: list[Candidate], scale: float) -> None:
    scaled = [drawn(one.sample.index, one.answer, None if one.value is None else one.value * scale) for one in pool]
    assert index(weighted(scaled, canonical)) == index(weighted(pool, canonical))
    assert index(best(scaled)) == index(best(pool))


@pytest.mark.parametrize(
    ("law", "weight", "plurality", "heaviest"),
    [
        ({"1": 0.4, "2": 0.35, "3": 0.25}, {"1": 0.3, "2": 0.6, "3": 0.5}, "1", "2"),
        ({"1": 0.5, "2": 0.3, "3": 0.2}, {"1": 0.6, "2": 0.5, "3": 0.8}, "1", "1"),
        ({"1": 0.2, "2": 0.3, "3": 0.5}, {"1": 0.9, "2": 0.5, "3": 0.3}, "3", "1"),
    ],
)
def test_votes_of_many_samples_end_at_their_limits(law, weight, plurality, heaviest) -> None:
    """The majority ends at argmax p(a), the weighted vote at argmax p(a) E[w|a] (Wu et al. 2024), whatever is right.

    Weights are noisy, between 0 and 2 E[w|a]: only their mean counts.
    """
    rng = Random(5)
    names = rng.choices(list(law), list(law.values()), k=4000)
    pool = [drawn(position, name, min(1.0, max(0.0, rng.gauss(weight[name], 0.05)))) for position, name in enumerate(names)]
    ends = {rule: rule(pool, canonical) for rule in (majority, weighted)}
    assert {rule: winner and winner.answer for rule, winner in ends.items()} == {majority: plurality, weighted: heaviest}


@given(st.sampled_from(["1", "x"]), st.floats(0, 1))
def test_of_one_scored_candidate_every_rule_chooses_it(answer: str, value: float) -> None:
    pool = [drawn(0, answer, value)]
    assert majority(pool, canonical) == weighted(pool, canonical) == best(pool) == pool[0]
