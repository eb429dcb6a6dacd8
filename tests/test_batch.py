"""Batches: one hard total, spent by turns that are the same whoever finishes first, and rows that fail alone."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.batch import batch
from ponder.budget import Budget
from ponder.errors import BudgetExhausted, InputError, ModelError, VerifierError
from ponder.lab.bank import draw_bank
from ponder.models.simulated import ABLE, Simulated
from ponder.policy.allocation import eliminate, preallocate, uniform
from ponder.policy.difficulty import Estimator, fit
from ponder.store import Store, keeping
from ponder.tasks.simulated import problems, simulated
from ponder.types import Answer, Usage

CHECK = simulated.verifier
MIXED = (0.5, 1.5)
ALLOCATIONS = ("uniform", "elimination", "marginal", "preallocated")
DULL = Estimator("text")  # a difficulty of 1/2 for all


def oracle(asked, model):
    return Estimator("oracle", known={one.id: 1 - model.difficulty(one) for one in asked})


def run(asked, model, **how):
    return asyncio.run(batch(asked, model=model, **how))


def drawn(outcomes):
    return [len(one.candidates) for one in outcomes]


def right(outcomes):
    return sum(isinstance(one, Answer) and one.candidates[-1].sample.text != "" and any(c.value == 1 for c in one.candidates)
               for one in outcomes)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ALLOCATIONS), st.integers(30, 3_000), st.booleans())
def test_the_total_is_never_overdrawn_and_every_token_is_in_the_account(allocation, total, checked) -> None:
    model, asked = Simulated(accuracy=MIXED, concurrency=5), problems(8)
    outcomes = run(asked, model, total=str(total), allocation=allocation, verifier=CHECK if checked else None, estimator=DULL)
    assert model.tally.usage.computed <= total
    answers = [one for one in outcomes if isinstance(one, Answer)]
    assert all(isinstance(one, Answer | BudgetExhausted) for one in outcomes)
    assert sum((use for one in answers for use in one.usage.values()), Usage()).computed == model.tally.usage.computed
    assert sum(one.cost.tokens for one in answers) == model.tally.usage.computed


@pytest.mark.parametrize("calls", [12, 30, 47, 90])
def test_by_elimination_it_draws_what_the_closed_rule_says_and_dominates_uniform(calls) -> None:
    """The same samples, by `allocation.eliminate` and `allocation.uniform` on the recorded grades."""
    model, asked = Simulated(accuracy=MIXED, abilities=replace(ABLE, n=False)), problems(12)
    grades = asyncio.run(draw_bank(asked, model, 64)).correct
    by_rounds = run(asked, model, total=f"{calls} calls", verifier=CHECK)
    alike = run(asked, model, total=f"{calls} calls", verifier=CHECK, allocation="uniform")
    assert drawn(by_rounds) == eliminate(grades, calls)
    assert drawn(alike) == uniform(12, calls)
    assert right(by_rounds) >= right(alike)


def test_preallocated_is_the_closed_rule_and_does_not_look_at_what_comes() -> None:
    model = Simulated(accuracy=MIXED, concurrency=7)
    asked = problems(10)
    chances = [model.difficulty(one) for one in asked]
    outcomes = run(asked, model, total="55 calls", verifier=CHECK, allocation="preallocated", estimator=oracle(asked, model))
    assert drawn(outcomes) == preallocate(chances, 55)


def test_marginal_leaves_the_hopeless_and_the_solved() -> None:
    model, asked = Simulated(accuracy=MIXED), problems(10)
    known = oracle(asked, model).known | {asked[0].id: 1.0}
    outcomes = run(
        asked, model, total="80 calls", verifier=CHECK, allocation="marginal", estimator=Estimator("oracle", known=known)
    )
    assert drawn(outcomes)[0] == 1
    for one in outcomes:
        assert [candidate.value for candidate in one.candidates[:-1]] == [0.0] * (len(one.candidates) - 1)


def test_with_the_difficulty_known_marginal_solves_more_than_elimination() -> None:
    model, asked = Simulated(accuracy=(0.4, 3.0)), problems(60)
    by_rounds = run(asked, model, total="180 calls", verifier=CHECK)
    known = run(asked, model, total="180 calls", verifier=CHECK, allocation="marginal", estimator=oracle(asked, model))
    assert right(known) > right(by_rounds)


def test_a_probe_is_drawn_first_and_is_part_of_the_answer() -> None:
    model, asked = Simulated(accuracy=MIXED), problems(40)
    bank = asyncio.run(draw_bank(asked, model, 12, verifier=CHECK))
    learnt = fit("probe", bank.problems, bank.candidates, bank.correct, probe=3)
    outcomes = run(asked, model, total="160 calls", verifier=CHECK, allocation="preallocated", estimator=learnt)
    assert min(drawn(outcomes)) == 3
    assert sum(drawn(outcomes)) == model.tally.calls - 40 == 160
    turns = [event.data for one in outcomes for event in one.trace.events if event.kind == "turn"]
    assert all((turn["difficulty"] is None) == (turn["drawn"] < 3) for turn in turns)


def test_without_a_verifier_a_vote_is_settled_by_four_that_agree() -> None:
    """1 - I_.5(v1 + 1, v2 + 1) >= .95 first holds at 4 : 0, .96875."""
    outcomes = run(problems(6), Simulated(accuracy=1.0), total="1000 calls")
    assert drawn(outcomes) == [4] * 6
    assert {(one.stopped, one.strategy, one.oracle) for one in outcomes} == {("done", "batch-elimination", False)}
    assert drawn(run(problems(2), Simulated(accuracy=1.0), total="1000 calls", threshold=0.99)) == [6] * 2


def test_answers_are_whole_answers_and_progress_hears_of_each() -> None:
    heard = {}
    outcomes = run(
        ["simulated problem 3", *problems(2)], Simulated(accuracy=1.0), total="9k", verifier="task", progress=heard.__setitem__
    )
    assert [one.answer for one in outcomes] == ["3", "0", "1"]
    assert heard == dict(enumerate(outcomes))
    assert all(one.oracle and one.model == "simulated" and one.usage["policy"].calls == 1 for one in outcomes)


def test_no_problem_gets_more_than_most() -> None:
    outcomes = run(problems(3), Simulated(accuracy=0.0), total="1M", verifier=CHECK, most=5)
    assert drawn(outcomes) == [5, 5, 5]
    assert {one.stopped for one in outcomes} == {"done"}


def test_what_the_total_stops_says_so() -> None:
    outcomes = run(problems(3), Simulated(accuracy=0.0), total="7 calls", verifier=CHECK)
    assert (drawn(outcomes), {one.stopped for one in outcomes}) == ([3, 2, 2], {"budget"})
    first, second = run(problems(2), Simulated(), total="1 calls")
    assert isinstance(first, Answer)
    assert isinstance(second, BudgetExhausted)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_a_killed_run_goes_on_where_it_was_for_nothing(allocation, tmp_path) -> None:
    asked = problems(10)
    how = {"verifier": CHECK, "allocation": allocation, "estimator": DULL, "total": "70 calls"}
    whole = run(asked, Simulated(accuracy=MIXED, concurrency=4), **how)

    async def killed(model, store):
        task = asyncio.create_task(batch(asked, model=model, store=store, **how))
        while store.count()[0] < 20:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    slow = Simulated(accuracy=MIXED, concurrency=4, latency=0.0001)
    store = Store(tmp_path / "bank.sqlite")
    asyncio.run(killed(slow, store))
    kept, quick = store.count()[0], Simulated(accuracy=MIXED, concurrency=4)
    again = run(asked, quick, store=store, **how)
    assert 20 <= kept < 70
    assert [[c.sample.text for c in one.candidates] for one in again] == [[c.sample.text for c in one.candidates] for one in whole]
    assert quick.tally.calls == 70 - kept


def test_its_samples_are_those_of_the_lab(tmp_path) -> None:
    model, asked, store = Simulated(accuracy=0.3), problems(6), Store(tmp_path / "bank.sqlite")
    with keeping(store):
        asyncio.run(draw_bank(asked, model, 8))
    asked_before = model.tally.calls
    outcomes = run(asked, model, total="40 calls", verifier=CHECK, store=store, most=8)
    assert all(list(one.usage) == ["replayed"] for one in outcomes)
    assert model.tally.calls == asked_before


@dataclass(frozen=True)
class Broken:
    """A verifier that cannot run on one problem."""

    name: str = "broken"
    reads: str = "nothing"

    async def __call__(self, problem, samples):
        if problem.id == "simulated-1":
            raise VerifierError("no reward model answers")
        return await CHECK(problem, samples)


def test_a_row_that_fails_is_told_and_the_rest_goes_on() -> None:
    model = Simulated(accuracy=1.0)
    good, bad, other = run(problems(3), model, total="9k", verifier=Broken())
    assert (good.answer, other.answer) == ("0", "2")
    assert isinstance(bad, VerifierError)


def test_a_model_that_always_fails_is_asked_three_times_a_problem() -> None:
    outcomes = run(problems(4), Simulated(faults={"refuse": 1.0}), total="9k", verifier=CHECK)
    assert all(isinstance(one, ModelError) and "all 3 draws" in str(one) for one in outcomes)


def test_failed_draws_leave_the_answer_to_the_others() -> None:
    outcomes = run(problems(30), Simulated(accuracy=1.0, faults={"refuse": 0.3}), total="90k", verifier=CHECK)
    kinds = Counter(type(one) for one in outcomes)
    assert kinds[Answer] >= 27
    assert all(one.answer == str(place) for place, one in enumerate(outcomes) if isinstance(one, Answer))


def test_what_it_is_cancelled_in_is_charged_and_nothing_is_left_running() -> None:
    async def main():
        before = asyncio.all_tasks()
        task = asyncio.create_task(batch(problems(20), model=Simulated(latency=0.01), total="90k"))
        await asyncio.sleep(0.05)
        task.cancel()
        began = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time() - began, asyncio.all_tasks() - before

    seconds, left = asyncio.run(main())
    assert seconds < 0.1
    assert not left


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"allocation": "greedy"}, "there are uniform, elimination"),
        ({"allocation": "marginal"}, "give an estimator"),
        ({"total": Budget()}, "one total"),
        ({"most": 0}, "give 1 or more"),
        ({"total": "much"}, "cannot read the budget"),
    ],
)
def test_settings_that_mean_nothing(how, words) -> None:
    with pytest.raises(InputError, match=words):
        run(problems(2), Simulated(), **{"total": "9k"} | how)


def test_no_problems_are_no_answers() -> None:
    assert run([], Simulated(), total="9k") == []


def test_the_reference_is_not_seen_by_what_reads_nothing() -> None:
    seen = []

    @dataclass(frozen=True)
    class Curious:
        name: str = "curious"
        reads: str = "nothing"

        async def __call__(self, problem, samples):
            seen.append(problem.reference)
            return await CHECK(replace(problem, reference="0"), samples)

    run(problems(2), Simulated(accuracy=1.0), total="9k", verifier=Curious())
    assert seen == [None, None]
