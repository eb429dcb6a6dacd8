"""Difficulty: what a prompt and a probe show, what is learnt from it, and that nothing leaks into the target."""

import asyncio
from dataclasses import replace
from math import log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import InputError
from ponder.lab.bank import draw_bank
from ponder.models.simulated import Simulated
from ponder.policy.calibration import Curve, brier, expected_calibration_error
from ponder.policy.difficulty import Estimator, Term, bin_of, bins, fit, signals
from ponder.tasks.countdown import countdown_mixed, problem
from ponder.tasks.simulated import problems
from ponder.types import Candidate, Sample, Score, Usage

ASKED = problem(countdown_mixed, (3, 7, 8, 8), 24)


def candidate(index, answer, score=None, *, logprobs=None, completion=10, error=None):
    drawn = Sample(answer or "", index, logprobs=logprobs, usage=Usage(1, 5, 0, completion), error=error)
    return Candidate(drawn, answer, None if score is None else Score(score))


def rows(correct, scored=True):
    """Candidates whose score is their grade, and whose answers are all different."""
    return [
        [candidate(place, f"{one} {place}", float(grade) if scored else None) for place, grade in enumerate(row)]
        for one, row in enumerate(correct)
    ]


def test_the_signals_of_a_prompt_are_counts_and_numbers() -> None:
    seen = signals(ASKED)
    assert seen["words"] == log1p(7)
    assert seen["numbers"] == log1p(5)
    assert (seen["largest"], seen["last"], seen["digit_sum"]) == (log1p(24), log1p(24), log1p(3 + 7 + 8 + 8 + 2 + 4))
    assert set(seen) == {
        "characters", "words", "lines", "numbers", "digits", "digit_sum", "operators", "question_words", "largest", "last",
    }  # fmt: skip


def test_the_signals_of_a_probe() -> None:
    """Three of four agree, two of them written differently; one has no answer; scores 1 and 0; tokens 2 x 10 and 2 x 20."""
    drawn = [
        candidate(0, "5", 1.0, logprobs=(-0.5, -1.5)),
        candidate(1, "5", 0.0, logprobs=(-2.0,)),
        candidate(2, "5", completion=20),
        candidate(3, None, completion=20),
    ]
    seen = signals(problems(1)[0], drawn)
    told = [seen[name] for name in ("agreement", "unanswered", "score", "logprob", "length")]
    assert told == pytest.approx([0.75, 0.25, 0.5, -1.5, log1p(15)])


def test_what_is_not_there_is_missing_and_not_a_number() -> None:
    seen = signals(problems(1)[0], [candidate(0, "5")])
    assert (seen["score"], seen["logprob"]) == (None, None)
    words = signals(replace(ASKED, messages=(replace(ASKED.messages[-1], content="make something"),)))
    assert (words["largest"], words["last"]) == (None, None)


def test_a_signal_missing_that_never_was_in_training_cannot_be_told_from() -> None:
    """ln(p / (1-p)) = constant + weight (value - centre) / scale, or the constant and the part of a missing signal."""
    drawn = [candidate(0, "5", 1.0)]
    unscored = [candidate(0, "5")]
    learnt = Estimator("probe", 1, 0.5, (Term("score", 0.5, 0.25, 1.0),))
    assert learnt(ASKED, drawn) == pytest.approx(1 - 1 / (1 + np.exp(-2.5)))
    assert learnt(ASKED, unscored) is None
    assert replace(learnt, terms=(Term("score", 0.5, 0.25, 1.0, -1.5),))(ASKED, unscored) == pytest.approx(1 - 1 / (1 + np.exp(1)))


def test_too_small_a_probe_tells_nothing_and_a_larger_one_no_more() -> None:
    learnt = Estimator("probe", 2, 0.0, (Term("score", 0.5, 0.5, 1.0),), Curve((0.0, 1.0), (0.2, 0.6)))
    drawn = [candidate(3, "1", 1.0), candidate(0, "2", 0.0), candidate(1, "3", 0.0)]
    assert learnt(ASKED, drawn[:1]) is None
    assert learnt(ASKED, [drawn[0], candidate(1, None, error="refused")]) is None
    assert learnt(ASKED, drawn) == learnt(ASKED, drawn[1:]) == pytest.approx(1 - (0.2 + 0.4 / (1 + np.exp(1))))


def test_the_oracle_knows_one_minus_the_mean_by_id() -> None:
    asked = problems(2)
    oracle = fit("oracle", asked, rows([[1, 1, 1, 0], [0, 0, 0, 0]]), [[1, 1, 1, 0], [0, 0, 0, 0]])
    assert [oracle(one, ()) for one in (*asked, ASKED)] == [0.25, 1.0, None]


def test_without_a_signal_the_difficulty_is_the_mean_one() -> None:
    """All prompts and probes alike: nothing varies, so there is no term, and the prediction is 1 - mean."""
    asked = [replace(ASKED, id=str(number)) for number in range(20)]
    correct = np.tile([1, 0, 0, 0], (20, 1))
    learnt = fit("text", asked, rows(correct), correct)
    assert learnt.terms == ()
    assert learnt(ASKED, ()) == pytest.approx(0.75, abs=1e-4)


def test_the_probes_samples_are_not_in_the_target() -> None:
    """Every p is 1/2: the probe's pass rate tells nothing of the other samples, so the calibrated difficulty is 1/2 whatever it is.

    Were the probe counted in (2 of 6), a pass rate of 0 or 1 would move the target by 1/6 either way.
    """
    correct = np.random.default_rng(0).integers(0, 2, (400, 6))
    asked = [replace(ASKED, id=str(number)) for number in range(400)]
    learnt = fit("probe", asked, rows(correct), correct, probe=2)
    told = [learnt(ASKED, [candidate(0, "a", score), candidate(1, "b", score)]) for score in (0.0, 1.0)]
    assert told == pytest.approx([0.5, 0.5], abs=0.04)


@pytest.mark.parametrize("curve", ["isotonic", "beta"])
def test_a_probe_of_the_exact_checker_estimates_and_is_calibrated_on_held_out_problems(curve) -> None:
    """p ~ Beta(.6, 1.4): from k = 4 checked samples the best guess is the posterior mean (.6 + hits) / (2 + 4)."""
    generator = np.random.default_rng(2)
    correct = (generator.random((600, 24)) < generator.beta(0.6, 1.4, (600, 1))).astype(float)
    asked = [replace(ASKED, id=str(number)) for number in range(600)]
    drawn = rows(correct)
    learnt = fit("probe", asked[:300], drawn[:300], correct[:300], probe=4, curve=curve)
    told = [learnt(one, row) for one, row in zip(asked[300:], drawn[300:], strict=True)]
    truth = 1 - correct[300:, 4:].mean(axis=1)
    best = 1 - (0.6 + correct[300:, :4].sum(axis=1)) / 6
    assert expected_calibration_error(told, truth) < 0.05
    assert brier(told, truth) < brier(best, truth) + 0.005 < brier([truth.mean()] * 300, truth) / 2


def test_agreement_alone_tells_difficulty_where_nothing_verifies() -> None:
    bank = asyncio.run(draw_bank(problems(150), Simulated(accuracy=(0.6, 1.0), wrong=40), 12))
    learnt = fit("probe", bank.problems[:100], bank.candidates[:100], bank.correct[:100], probe=4)
    told = [learnt(one, row) for one, row in zip(bank.problems[100:], bank.candidates[100:], strict=True)]
    truth = 1 - bank.correct[100:, 4:].mean(axis=1)
    assert np.corrcoef(told, truth)[0, 1] > 0.5


def test_text_is_learnt_where_the_prompt_tells() -> None:
    """Difficulty that goes with the count of numbers alone: p = .9 with 3, .5 with 4, .1 with 5."""
    asked = [problem(countdown_mixed, tuple(range(1, 2 + size)), 20 + size) for size in (2, 3, 4)] * 20
    asked = [replace(one, id=str(number)) for number, one in enumerate(asked)]
    correct = np.array([[number < 18 - 8 * (place % 3) for number in range(20)] for place in range(60)], float)
    learnt = fit("text", asked, rows(correct, scored=False), correct)
    assert [learnt(one, ()) for one in asked[:3]] == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_it_is_json_both_ways() -> None:
    correct = np.random.default_rng(0).integers(0, 2, (30, 6))
    asked = problems(30)
    for kind in ("text", "probe", "oracle"):
        learnt = fit(kind, asked, rows(correct), correct, probe=2)
        assert Estimator.from_json(learnt.to_json()) == learnt
    with pytest.raises(InputError, match="not an estimator"):
        Estimator.from_json('{"kind":"guess"}')


def test_failed_draws_are_no_probe() -> None:
    correct = np.tile([0.0, 1.0, 1.0], (12, 1))
    drawn = [[replace(one, sample=replace(one.sample, error="refused")) for one in row[:1]] + row[1:] for row in rows(correct)]
    assert fit("probe", problems(12), drawn, correct, probe=2)(problems(1)[0], drawn[0]) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(InputError, match="did not fail"):
        fit("probe", problems(12), [row[:1] * 3 for row in drawn], correct, probe=2)


@pytest.mark.parametrize(
    ("kind", "count", "probe", "settings", "words"),
    [
        ("probe", 12, 6, {}, "more samples than the probe"),
        ("probe", 12, 0, {}, "a probe of 0"),
        ("text", 1, 4, {}, "2 problems or more"),
        ("guess", 12, 2, {}, "take text, probe or oracle"),
        ("text", 12, 2, {"curve": "Platt"}, "isotonic or beta"),
    ],
)
def test_settings_that_cannot_be_learnt_from(kind, count, probe, settings, words) -> None:
    correct = np.zeros((count, 6))
    with pytest.raises(InputError, match=words):
        fit(kind, problems(count), rows(correct), correct, probe=probe, **settings)


def test_bins_are_quantiles() -> None:
    edges = bins([number / 10 for number in range(10)], 5)
    assert edges == pytest.approx([0.15, 0.35, 0.55, 0.75])
    assert [bin_of(edges, one) for one in (0.0, 0.1, 0.2, 0.9)] == [0, 0, 1, 4]


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0, None]), max_size=40), st.integers(1, 6))
def test_equal_values_share_a_bin_and_no_bin_is_empty(values, count) -> None:
    edges = bins(values, count)
    taken = {bin_of(edges, value) for value in values if value is not None}
    assert len(edges) < count
    assert edges == sorted(set(edges))
    assert taken == (set(range(len(edges) + 1)) if taken else set())


def test_an_unknown_difficulty_falls_in_the_hardest_bin() -> None:
    assert bin_of([0.2, 0.6], None) == bin_of([0.2, 0.6], 1.0) == 2
