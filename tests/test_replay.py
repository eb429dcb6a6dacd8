"""Replaying a strategy from a bank: the closed forms' expectations, and a real run's draws under a budget."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from ponder import answers
from ponder.budget import Budget
from ponder.errors import InputError
from ponder.lab.attempt import attempt
from ponder.lab.bank import draw_bank
from ponder.lab.replay import drawn, replayed, shuffled, worth
from ponder.lab.statistics import best_of_k, majority_at_k
from ponder.models.sample import most
from ponder.models.simulated import Simulated
from ponder.strategies import parse
from ponder.strategies.draw import ask
from ponder.strategies.parallel import best
from ponder.tasks.simulated import problems, simulated
from ponder.types import Abilities
from ponder.verifiers.simulated import Imperfect

MODEL, JUDGE = Simulated(accuracy=0.5, wrong=3, abilities=Abilities()), Imperfect(simulated.verifier, 0.9, 0.2)
BANK = asyncio.run(draw_bank(problems(12), MODEL, 8, verifier=JUDGE))
WORST = [most(MODEL, ask(problem)).tokens for problem in BANK.problems]


@pytest.mark.parametrize(
    ("spec", "exact"),
    [
        ("best-of-n(n=5)", best_of_k(BANK.scores, BANK.correct, [5])),
        ("self-consistency(n=5)", majority_at_k(BANK.classes, BANK.correct, [5])[0]),
        ("weighted-vote(n=5)", majority_at_k(BANK.classes, BANK.correct, [5], BANK.scores)[0]),
        ("direct", BANK.correct.mean(axis=1, keepdims=True)),
    ],
)
def test_the_mean_over_orders_is_the_exact_expectation_over_subsets(spec, exact):
    strategy, parameters = parse(spec)
    outcome = replayed(shuffled(BANK, WORST, orders=4000), strategy, parameters, [1e9])
    assert outcome.right[:, :, 0].mean(axis=1) == pytest.approx(exact[:, 0], abs=0.03)


@pytest.mark.parametrize("spec", ["self-consistency(n=8)", "adaptive-consistency(n=8,confidence=0.8)"])
@pytest.mark.parametrize("budget", [40, 90, 150, 100_000])
def test_a_replay_is_what_a_real_run_does_under_the_same_budget(spec, budget):
    """In the order of the bank: the same answer for the same tokens, whatever the budget admits."""
    strategy, parameters = parse(spec)
    bank = asyncio.run(draw_bank(problems(12), MODEL, 8))
    replay = shuffled(bank, WORST, orders=1)
    in_order = replace(
        replay,
        correct=bank.correct[:, None],
        quality=bank.correct[:, None],
        classes=bank.classes[:, None],
        spent=np.cumsum([[one.sample.usage.computed for one in row] for row in bank.candidates], axis=1)[:, None].astype(float),
    )
    outcome = replayed(in_order, strategy, parameters, [budget])
    for row, problem in enumerate(bank.problems):
        settings = {"model": MODEL, "strategy": strategy, "budget": Budget(tokens=budget), **parameters}
        real = asyncio.run(attempt(problem, **settings))
        assert outcome.tokens[row, 0, 0] == real.tokens
        if real.tokens:
            votes = answers.classes([one for one in bank.candidates[row] if one.answer], simulated.canonical)
            tied = len({len(group) for group in votes.values()}) < len(votes)
            assert tied or outcome.right[row, 0, 0] == real.right


def test_a_budget_that_admits_no_sample_has_no_answer_and_costs_nothing():
    outcome = replayed(shuffled(BANK, WORST), *parse("self-consistency(n=4)"), [1, 1e9])
    assert not outcome.right[:, :, 0].any()
    assert not outcome.tokens[:, :, 0].any()
    assert outcome.right[:, :, 1].any()


def test_an_early_stop_draws_fewer_and_never_more_than_n():
    replay = shuffled(BANK, WORST)
    strategy, parameters = parse("first-wins(n=6)")
    taken = drawn(replay, strategy, parameters)
    first = np.argmax(replay.scores >= 1, axis=2) + 1
    assert (taken == np.where((replay.scores[:, :, :6] >= 1).any(axis=2), first, 6)).all()


def test_an_equal_score_goes_to_the_earlier_sample_and_an_unknown_one_loses():
    replay = shuffled(BANK, WORST, orders=2)
    scores = np.full(replay.scores.shape, 0.5)
    scores[:, :, 0], scores[:, :, 3] = np.nan, 0.9
    value = worth(replace(replay, scores=scores), best)
    assert (value[:, :, 0] == replay.correct[:, :, 0]).all()
    assert (value[:, :, 2] == replay.correct[:, :, 1]).all()
    assert (value[:, :, 7] == replay.correct[:, :, 3]).all()


def test_a_verifiers_own_tokens_are_charged_for_each_sample_that_it_judges():
    replay = replace(shuffled(BANK, WORST), judging=10.0)
    plain, judged = (replayed(replay, *parse(spec), [1e9]).tokens for spec in ("self-consistency(n=4)", "best-of-n(n=4)"))
    assert judged == pytest.approx(plain + 40)


def test_what_cannot_be_replayed_says_so():
    with pytest.raises(InputError, match="cannot be replayed from a bank"):
        worth(shuffled(BANK, WORST), lambda candidates, canonical: None)
    with pytest.raises(InputError, match="wants 9 samples of a bank of 8"):
        replayed(shuffled(BANK, WORST), *parse("self-consistency(n=9)"), [1e9])
