"""Tuning on a simulated bank: what is chosen is the best there is where it is chosen, and nearly so elsewhere."""

import asyncio
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.lab.study import grid, ladder, study
from ponder.lab.tune import PRICES, SLACK, _applied, _best, _rule, _sample, _sold, tune
from ponder.models.simulated import Simulated
from ponder.policy.policy import EFFORTS
from ponder.tasks.simulated import simulated
from ponder.types import Abilities

MODEL = Simulated(accuracy=0.55, wrong=3, attractor=0.5, abilities=Abilities())
SETTINGS = {"problems": 24, "samples": 16, "split": "train"}


def studied(model=MODEL, **settings):
    problems = simulated.load("train", 24)
    return asyncio.run(
        study(problems, [model], grid(16, False), 16, (), verifier=None, seed=0, drawn=lambda _: None, **settings)
    )  # fmt: skip


SEEN = studied()
EVERYTHING = np.arange(len(SEEN.bank.problems))


@pytest.mark.parametrize("shown", [(None, 0), ("text", 0)])
def test_compute_optimal_is_at_least_every_fixed_strategy_on_its_own_fold(shown):
    """Under every budget, within the slack that is not worth more tokens."""
    ours = _applied(_rule(SEEN, EVERYTHING, shown, 0), SEEN, EVERYTHING).right.mean(axis=0)
    fixed = [SEEN.right[number].mean(axis=(0, 1)) for number, entry in enumerate(SEEN.entries) if entry.fixed]
    assert len(fixed) > 5
    assert (ours >= np.max(fixed, axis=0) - SLACK - 1e-9).all()


def test_at_each_price_no_entry_is_worth_more():
    rule = _rule(SEEN, EVERYTHING, (None, 0), 0)
    sold = _sold(rule, SEEN, EVERYTHING)
    worth = sold.right[:, :-1].mean(axis=0) - PRICES * sold.tokens[:, :-1].mean(axis=0) / _sample(SEEN)
    accuracy, tokens = (each[..., -1].mean(axis=(1, 2))[:, None] for each in (SEEN.right, SEEN.tokens))
    assert worth == pytest.approx((accuracy - PRICES * tokens / _sample(SEEN)).max(axis=0))
    assert (np.diff(sold.tokens.mean(axis=0)[:-1]) >= -1e-9).all()  # the cheaper a token is, the more are spent
    assert sold.right.mean(axis=0)[-1] >= accuracy.max() - SLACK


def test_the_last_budget_is_none_and_the_others_are_the_banks_ladder():
    assert SEEN.budgets == (*ladder(SEEN.bank, SEEN.replay.worst.max()), inf)
    whole = [each[..., -1] for each in (SEEN.right, SEEN.tokens)]
    for each, last in zip((SEEN.right, SEEN.tokens), whole, strict=True):
        assert np.isfinite(each).all()
        assert last.shape == (len(SEEN.entries), 24, SEEN.replay.classes.shape[1])


def test_a_policy_is_proved_on_another_split_and_near_its_best():
    made = asyncio.run(tune(simulated, [MODEL], **SETTINGS))
    assert (made.task, made.model, made.verifier) == ("simulated", MODEL.name, None)
    proof = made.evidence["held_out"]
    assert proof["split"] == "test"
    assert [row["effort"] for row in proof["efforts"]] == list(EFFORTS) == list(made.efforts)
    spent, right = ([row[what] for row in proof["efforts"]] for what in ("tokens", "accuracy"))
    assert spent == sorted(spent)
    assert right[-1] > right[0] + 0.1
    assert max(row["regret"] for row in proof["budgets"]) <= 0.05  # 24 problems; `docs/tune.md` has it for 200
    for one in made.bins:
        assert [each.budget for each in one.choices] == sorted(each.budget for each in one.choices)
        assert {each.budget for each in one.efforts.values()} == {None}


def test_a_temperature_is_chosen_where_it_is_better_and_its_draws_are_no_probe():
    """At temperature 0 the simulated model gives its likeliest answer: right more often than a sample, for as many tokens."""
    seen = studied(Simulated(accuracy=0.6, wrong=3, abilities=Abilities()), temperatures=(0.0,))
    assert {entry.temperature for entry in seen.entries} == {None, 0.0}
    assert all(entry.foreign == (entry.temperature == 0.0) for entry in seen.entries)
    rule, _ = _best(seen, 0)
    assert {seen.entries[number].temperature for number in rule.priced[:, 0]} == {0.0}
    probed = _rule(seen, EVERYTHING, ("probe", 1), 0)
    cheapest = _sold(probed, seen, EVERYTHING).tokens[:, 0].mean()
    assert cheapest > 1.5 * _sample(seen)  # a greedy draw, and the probe that it is none of


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InputError, match="has no split `nowhere`"):
        asyncio.run(tune(simulated, [MODEL], held_out="nowhere"))
    with pytest.raises(InputError, match="gave 1 and 1 problems"):
        asyncio.run(tune(replace(simulated, load=lambda split, limit: simulated.load(split, 1)), [MODEL], split="train"))
