"""Sequential revisions: chains against closed forms, their ratio, and how the answer is chosen."""

from dataclasses import replace

import pytest

from ponder.errors import InputError, ModelError
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve_sync
from ponder.strategies.attempts import IMPROVE
from ponder.strategies.revise import chosen
from ponder.tasks.simulated import problems
from ponder.types import Candidate, Sample, Score
from ponder.verifiers.simulated import Imperfect
from scripted import ONE_BY_ONE, Scripted
from test_refine import ORACLE, PROBLEM, chains, solved, within

SURE = Imperfect(ORACLE, tpr=1.0, fpr=0.0)
"""A perfect verifier that reads no reference."""


def test_every_chain_is_a_markov_chain_of_two_states():
    """acc_t = acc_inf + (p - acc_inf) (1 - fix - break)^t, acc_inf = fix / (fix + break), at every place of every chain."""
    p, fixes, breaks, count = 0.2, 0.3, 0.1, 60
    model = Simulated(accuracy=p, steps=1, words=1, fixes=fixes, breaks=breaks)
    found = solved(model, "revise", count, chains=3, length=6)
    for turn in range(6):
        expected = 0.75 + (p - 0.75) * 0.6**turn
        share = sum(chain[turn] == one.reference for one, answer in found for chain in chains(answer)) / (3 * count)
        assert share == pytest.approx(expected, abs=within(expected, 3 * count))


@pytest.mark.parametrize(("p", "fixes"), [(0.1, 0.3), (0.3, 0.05)])
def test_the_ratio_that_pays_is_the_one_with_the_better_odds_a_draw(p, fixes):
    """With a perfect verifier, c chains of length s solve 1 - ((1-p) (1-fix)^(s-1))^c: long chains pay iff fix > p."""
    model, solves = Simulated(accuracy=p, steps=1, words=1, fixes=fixes), {}
    for many, length in ((8, 1), (2, 4), (1, 8)):
        expected = 1 - ((1 - p) * (1 - fixes) ** (length - 1)) ** many
        found = solved(model, "revise", 100, chains=many, length=length, verifier=SURE)
        solves[length] = sum(answer.answer == one.reference for one, answer in found) / 100
        assert solves[length] == pytest.approx(expected, abs=within(expected, 100))
        assert not any(answer.oracle for _, answer in found)
    assert (solves[8] > solves[1]) == (fixes > p)


@pytest.mark.parametrize(("verifier", "other"), [(None, "self-consistency"), (SURE, "weighted-vote")])
def test_chains_of_length_one_are_parallel_sampling(verifier, other):
    model = Simulated()
    for one in problems(5):
        chained = solve_sync(one, model=model, strategy="revise(chains=6,length=1)", verifier=verifier)
        parallel = solve_sync(one, model=model, strategy=f"{other}(n=6)", verifier=verifier)
        texts = [[one.sample.text for one in answer.candidates] for answer in (chained, parallel)]
        assert (texts[0], chained.text, chained.usage) == (texts[1], parallel.text, parallel.usage)


def test_it_draws_chains_times_length_and_numbers_them():
    model = Simulated(fixes=0.5, abilities=ABLE)
    answer = solve_sync(PROBLEM, model=model, strategy="revise", chains=3, length=5)
    assert [one.sample.index for one in answer.candidates] == list(range(15))
    assert len([event for event in answer.trace.events if event.kind == "drawn"]) == 15
    assert model.tally.calls == 1 + 3 * 4, "the first version of every chain comes in one call"


def test_a_version_is_made_in_sight_of_the_last_four():
    model = Scripted(lambda request: f"answer {len(model.requests)}")
    solve_sync(PROBLEM, model=model, strategy="revise", chains=1, length=7)
    seen = [[message.content for message in request.messages[1:]] for request in model.requests]
    assert seen[0] == []
    assert seen[2] == ["answer 1", IMPROVE, "answer 2", IMPROVE]
    assert seen[6] == [text for turn in (3, 4, 5, 6) for text in (f"answer {turn}", IMPROVE)]


def test_equal_contexts_never_share_a_draw():
    model = Scripted(lambda request: "answer 0")
    solve_sync(PROBLEM, model=model, strategy="revise", chains=2, length=8)
    assert len({request.seed for request in model.requests}) == 16


def version(answer, score, index):
    return Candidate(Sample(f"answer {answer}", index), answer, Score(score))


def test_best_within_a_chain_and_then_across_them():
    """Flat, b weighs .5 + .5 + .9 = 1.9 and a 1.6; of the chains' own winners, a weighs .8 + .8 and b .9."""
    grown = [
        [version("a", 0.8, 0), version("b", 0.5, 3)],
        [version("a", 0.8, 1), version("b", 0.5, 4)],
        [version("b", 0.9, 2), version("c", 0.1, 5)],
    ]
    assert chosen(grown, str, SURE).answer == "a"
    flat = [[one] for chain in grown for one in chain]
    assert chosen(flat, str, SURE).answer == "b"
    assert chosen(grown, str, None).answer == "b", "without a verifier all versions vote alike"


def test_a_version_that_fails_is_passed_over_and_a_chain_that_never_began_is_not_continued():
    model = Simulated(faults={"refuse": 0.3}, fixes=0.5, abilities=ONE_BY_ONE)
    for one in problems(12):
        answer = solve_sync(one, model=model, strategy="revise")
        drawn = [event.data for event in answer.trace.events if event.kind == "drawn"]
        begun = sum(event["error"] is None for event in drawn[:4])
        assert (len(chains(answer)), len(drawn)) == (begun, 4 + 3 * begun)
        assert len(answer.candidates) == sum(event["error"] is None for event in drawn)
    with pytest.raises(ModelError, match="all 4 draws"):
        solve_sync(PROBLEM, model=Simulated(faults={"refuse": 1.0}), strategy="revise")


def test_at_the_budgets_limit_the_vote_so_far_is_the_answer():
    model = Simulated(fixes=0.5, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="revise", budget="6 calls")
    assert (answer.stopped, len(answer.candidates)) == ("budget", 6)
    assert answer.answer is not None


@pytest.mark.parametrize("spec", ["revise(chains=0)", "revise(length=0)"])
def test_nothing_to_draw_is_an_error(spec):
    with pytest.raises(InputError, match="must be above 0, and is 0"):
        solve_sync(PROBLEM, model=Simulated(), strategy=spec)


@pytest.mark.parametrize("verifier", [None, Imperfect(problems(1)[0].task.verifier, 1.0, 0.0)])
def test_a_chain_that_has_settled_votes_for_what_it_was_spared(verifier):
    """A model that changes nothing: two draws a chain instead of six, and the answer and its candidates of a vote that goes on."""
    model = Simulated(accuracy=0.5, steps=1, attractor=1, abilities=replace(ABLE, n=False))
    for problem in problems(12):
        full, early = (
            solve_sync(problem, model=model, strategy="revise", verifier=verifier, chains=3, length=6, settled=window)
            for window in (0, 2)
        )
        assert early.answer == full.answer
        assert (early.usage["policy"].calls, full.usage["policy"].calls) == (6, 18)
        assert [one.sample.index for one in early.candidates] == list(range(6))
        assert sum(event.kind == "settled" for event in early.trace.events) == 3


def test_a_restless_chain_does_not_outvote_a_settled_one():
    """7 stays, 8 and 9 take turns: without what it is spared, the 7 of one chain has two votes against three of the other."""

    def say(request):
        last = [message.content[-1] for message in request.messages if message.role == "assistant"][-1:]
        return f"answer {7 + request.seed % 2}" if not last else {"7": "answer 7", "8": "answer 9", "9": "answer 8"}[last[0]]

    seen = set()
    for seed in range(8):
        settings = {"model": Scripted(say), "strategy": "revise", "chains": 2, "length": 6, "seed": seed}
        full, early = (solve_sync(problems(1)[0], settled=window, **settings) for window in (0, 2))
        assert early.answer == full.answer
        seen.add((early.usage["policy"].calls, early.answer))
    assert (8, "7") in seen
