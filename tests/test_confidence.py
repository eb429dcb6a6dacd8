"""Confidence: DeepConf's windows and self-certainty by their closed forms, recorded votes replayed, and what it does to a vote."""

import asyncio
import gzip
import json
from collections import defaultdict
from dataclasses import replace
from math import exp, log
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder import answers, tasks
from ponder.errors import AbilityMissing, InputError
from ponder.lab.bank import draw_bank
from ponder.models.sample import sample
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve
from ponder.strategies.draw import ask
from ponder.tasks.simulated import problems
from ponder.types import Candidate, Sample, Score
from ponder.verifiers.confidence import HOWS, Confidence, groups, pooled, self_certainty, token_confidence

VALUES = st.lists(st.floats(-20, 0), min_size=1, max_size=60)


def test_uniform_over_v_tokens_gives_the_confidence_log_v():
    """C = -(1/k) sum over the k likeliest of log p = log V, if p is uniform over V >= k."""
    for vocabulary in (20, 32_000):
        assert token_confidence([-log(vocabulary)] * 20) == pytest.approx(log(vocabulary))


def test_self_certainty_is_the_divergence_from_uniform():
    """-(1/nV) sum of log(V p): 0 for uniform p; for p = (a, 1-a), V = 2, it is -log(4a(1-a))/2."""
    assert self_certainty(np.full((3, 50), -log(50))) == pytest.approx(0)
    assert self_certainty(np.log([[0.9, 0.1]])) == pytest.approx(-log(4 * 0.9 * 0.1) / 2)
    assert self_certainty(np.log([[0.9, 0.1], [0.5, 0.5]])) == pytest.approx(-log(4 * 0.9 * 0.1) / 4)


@given(VALUES, st.integers(1, 70))
def test_groups_are_means_of_all_windows(values, window):
    found = groups(values, window)
    expected = [fmean(values[at : at + window]) for at in range(max(1, len(values) - window + 1))]
    assert found == pytest.approx(expected, abs=1e-9)


@given(VALUES)
def test_a_window_longer_than_the_trace_is_the_mean_of_all(values):
    assert [pooled(values, how, len(values) + 1) for how in HOWS] == [pytest.approx(fmean(values))] * 4


def test_lowest_bottom_and_tail_of_a_trace():
    """0, 1, ..., 30 with window 2: 30 windows of means i + 1/2; the lowest tenth are the first three."""
    rising = [float(value) for value in range(31)]
    assert {how: pooled(rising, how, 2) for how in HOWS} == {"mean": 15, "lowest": 0.5, "bottom": 1.5, "tail": 29.5}
    assert pooled(rising[:11], "bottom", 2) == pooled(rising[:11], "lowest", 2) == 0.5  # at least one of ten windows


def test_recorded_votes_are_replayed(data):
    """29 contest problems, 64 and 128 traces: the winner of 519 of 522 published votes; and of 406 of them every weight.

    The published minimum of a truncated trace is a mean that holds tokens which were not recorded, so there weights differ.
    """
    with gzip.open(data / "rec_deepconf_traces" / "traces.jsonl.gz", "rt") as lines:
        runs = [json.loads(line) for line in lines]
    winners = weights = 0
    for run in runs:
        for conf, kinds in run["published_vote"].items():
            for kind, (winner, published) in kinds.items() if isinstance(kinds, dict) else ():
                found = _weights(run["traces"], KINDS[kind], CONFIDENCES[conf])
                winners += winner == (max(found, key=found.get) if found else None)
                weights += found == pytest.approx(published, rel=1e-12)
    assert (len(runs) * 9, winners, weights) == (522, 519, 406)


KINDS = {"completed_traces": "c", "truncated_traces": "t", "combined_traces": "ct"}
CONFIDENCES = {
    "min_conf": lambda values: pooled(values, "lowest", 1),
    "avg_conf": lambda values: pooled(values, "mean"),
    "max_conf": max,
}


def _weights(traces, states, confidence):
    weights = defaultdict(float)
    for state, answer, tokens in traces:
        if state in states and answer is not None and tokens:
            weights[answer] += confidence([token["confidence"] for token in tokens])
    return dict(weights)


def test_the_score_is_the_geometric_mean_of_the_probabilities():
    [score] = asyncio.run(Confidence()(problems(1)[0], [Sample("a b", logprobs=(log(0.5), log(0.125)))]))
    assert score.value == pytest.approx(0.25)


def test_what_cannot_be_read_is_unknown_and_says_why():
    given_ = [Sample("a"), Sample("a", logprobs=()), Sample("", error="refused")]
    scores = asyncio.run(Confidence()(problems(1)[0], given_))
    assert [score.value for score in scores] == [None] * 3
    assert ["no log-probabilities" in score.error for score in scores] == [True, True, False]
    with pytest.raises(InputError, match="mean, lowest, bottom, tail"):
        Confidence("highest")
    with pytest.raises(InputError, match="window of 0"):
        Confidence(window=0)


@pytest.mark.parametrize("how", HOWS)
def test_solve_asks_for_log_probabilities_where_the_verifier_reads_them(how):
    """Best-of-n by confidence returns the sample of the highest geometric mean."""
    answer = asyncio.run(solve(problems(1)[0], model=Simulated(), strategy="best-of-n", verifier=Confidence(how, 5), n=6))
    scores = {one.sample.index: one.value for one in answer.candidates}
    assert scores == {one.sample.index: pytest.approx(exp(pooled(one.sample.logprobs, how, 5))) for one in answer.candidates}
    assert answer.text == max(answer.candidates, key=lambda one: one.value).sample.text
    assert not answer.oracle


def test_nothing_else_asks_for_them():
    assert ask(problems(1)[0]).logprobs is False
    answer = asyncio.run(solve(problems(1)[0], model=Simulated(), strategy="self-consistency", n=2))
    assert [one.sample.logprobs for one in answer.candidates] == [None, None]


def test_a_model_without_log_probabilities_is_refused_before_anything_is_spent():
    model = Simulated(abilities=replace(ABLE, logprobs=False))
    with pytest.raises(AbilityMissing, match="take a verifier that needs none"):
        asyncio.run(solve(problems(1)[0], model=model, strategy="best-of-n", verifier=Confidence()))
    assert model.tally.calls == 0


def test_the_lab_asks_for_them_too():
    bank = asyncio.run(draw_bank(problems(2), Simulated(), 3, verifier=Confidence("tail")))
    assert np.isfinite(bank.scores).all()


def test_confidence_helps_a_vote_where_it_goes_with_correctness_and_harms_it_where_it_goes_against():
    """rho > 0: weighted vote >= majority; rho < 0 (doubt, 1 - confidence): below. 100 problems of p = .4 with an attractor."""
    model = Simulated(accuracy=0.4, attractor=0.5, confidence=0.9, concurrency=1024)
    bank = asyncio.run(draw_bank(problems(100), model, 9, verifier=Confidence()))

    def accuracy(vote, weight=lambda value: value):
        rows = [[replace(one, score=Score(weight(one.value))) for one in row] for row in bank.candidates]
        return fmean(bank.correct[at, vote(row, str).sample.index] for at, row in enumerate(rows))

    majority = accuracy(answers.majority)
    assert accuracy(answers.weighted) > majority + 0.05
    assert accuracy(answers.weighted, lambda value: 1 - value) < majority - 0.05


def test_the_built_in_model_chooses_by_its_confidence():
    problem = tasks.problem("(3 + 4) * 5 - 2")
    answer = asyncio.run(solve(problem, strategy="best-of-n", verifier=Confidence("tail"), n=2, max_tokens=16))
    assert len(answer.candidates) == 2
    assert all(0 < one.value < 1 for one in answer.candidates)


def voters(*votes):
    return [Candidate(Sample("", index), answer, Score(value)) for index, (answer, value) in enumerate(votes)]


@given(st.lists(st.tuples(st.sampled_from("ab") | st.none(), st.sampled_from((0.1, 0.5, 0.9))), max_size=9))
def test_borda_is_the_majority_at_power_0_and_the_best_answer_at_a_great_one(votes):
    """(N - r + 1)^p: p = 0 weighs all alike; p -> infinity is argmax."""
    candidates = voters(*votes)
    assert answers.borda(candidates, str, 0.0) == answers.majority(candidates, str)
    best = answers.best(one for one in candidates if one.answer is not None)
    chosen = answers.borda(candidates, str, 200.0)
    assert (chosen and chosen.answer) == (best and best.answer)


def test_borda_weighs_by_rank_and_not_by_score():
    """Ranks 1..4 weigh 4, 3, 2, 1 at power 1: a has 4, b 3 + 2; at power 2 a has 16, b 13. Scores would give a 0.9, b 0.03."""
    candidates = voters(("a", 0.9), ("b", 0.02), ("b", 0.01), (None, 0.5))
    assert answers.borda(candidates, str, 1.0).answer == "b"
    assert answers.borda(candidates, str, 2.0).answer == "a"
    assert answers.weighted(candidates, str).answer == "a"


@pytest.mark.parametrize(("how", "window", "chosen"), [("mean", 9, "b"), ("lowest", 1, "c")])
def test_where_all_answers_differ_likelihood_chooses_and_a_vote_cannot(how, window, chosen):
    """Soft self-consistency scores by the mean, or the least, token probability: four answers, of which a vote takes the first.

    Geometric means .5, sqrt(.9 * .5) = .67, .6, .4; least probabilities .5, .5, .6, .4. A vote is decided by the order alone.
    """
    rows = {"a": (0.5, 0.5), "b": (0.9, 0.5), "c": (0.6, 0.6), "d": (0.4, 0.4)}
    drawn = [Sample(name, at, logprobs=tuple(map(log, row))) for at, (name, row) in enumerate(rows.items())]
    scores = asyncio.run(Confidence(how, window)(problems(1)[0], drawn))
    candidates = [Candidate(one, one.text, score) for one, score in zip(drawn, scores, strict=True)]
    assert answers.majority(candidates, str).answer == "a"
    assert answers.best(candidates).answer == answers.weighted(candidates, str).answer == chosen


def test_borda_vote_runs():
    model, problem = Simulated(accuracy=0.9), problems(1)[0]
    settings = {"model": model, "verifier": Confidence(), "n": 9}
    answer = asyncio.run(solve(problem, strategy="borda-vote", power=0.0, **settings))
    assert answer.answer == asyncio.run(solve(problem, strategy="self-consistency", model=model, n=9)).answer == problem.reference


def test_draws_with_log_probabilities_are_the_same_draws():
    """Asking for log-probabilities changes the store's key, so they are other draws of the same law; each has one a token."""
    [one] = asyncio.run(sample(Simulated(), ask(problems(1)[0], verifier=Confidence())))
    assert len(one.logprobs) == len(one.text.split())
