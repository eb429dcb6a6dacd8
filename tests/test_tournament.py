"""Knockout and league against closed forms: the published bound, the exact law of a bracket, and what a judge's habits do."""

import asyncio
from math import ceil, comb, exp, log2, sqrt
from statistics import fmean

import pytest

from ponder import trace
from ponder.errors import InputError, VerifierError
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.strategies import registry
from ponder.tasks.simulated import problems, simulated
from ponder.trace import Trace
from ponder.types import Abilities, Score
from ponder.verifiers.check import Check
from ponder.verifiers.confidence import Confidence
from ponder.verifiers.simulated import Judge
from referee import Referee

ALONE = Abilities()
TRUTH = simulated.verifier


def accuracy(strategy, count, p_gen, judge, **parameters):
    """The share of problems answered rightly by a strategy that `judge` referees."""
    model = Simulated(accuracy=p_gen, steps=1, words=1)

    async def answered(problem):
        with trace.tracing(Trace()):
            answer = await registry.get(strategy)(problem, model, judge, **parameters)
        return answer.answer == problem.reference

    async def main():
        return await asyncio.gather(*map(answered, problems(count)))

    return sum(asyncio.run(main())) / count


def within(p, count):
    """Four standard errors of a share of `count`."""
    return 4 * sqrt(p * (1 - p) / count) + 1e-9


def wins(p, comparisons):
    """P(the right one goes on against a wrong one): more than half of K verdicts, or half of them and the better place."""
    law = [comb(comparisons, k) * p**k * (1 - p) ** (comparisons - k) for k in range(comparisons + 1)]
    return sum(chance * ((2 * k > comparisons) + (2 * k == comparisons) / 2) for k, chance in enumerate(law))


def bracket(p, n, won):
    """P(the last one left of n = 2^k is right): right ones are a share r of each round, r' = r² + 2 r (1-r) won."""
    for _ in range(int(log2(n))):
        p = p * p + 2 * p * (1 - p) * won
    return p


@pytest.mark.parametrize(("p_gen", "n", "skill", "k"), [(0.4, 8, 0.7, 4), (0.3, 4, 0.8, 1), (0.5, 2, 0.6, 2), (0.4, 8, 0.9, 12)])
def test_a_knockout_follows_the_law_of_its_bracket_and_keeps_the_published_bound(p_gen, n, skill, k):
    """r' = r² + 2 r (1-r) P(win), and P(fail) <= (1 - p_gen)^N + ceil(log2 N) exp(-2 K (p_comp - 1/2)²)."""
    expected = bracket(p_gen, n, wins(skill, k))
    bound = (1 - p_gen) ** n + ceil(log2(n)) * exp(-2 * k * (skill - 0.5) ** 2)
    assert 1 - expected <= bound
    measured = accuracy("knockout", 150, p_gen, Judge(TRUTH, skill), n=n, comparisons=k)
    assert measured == pytest.approx(expected, abs=within(expected, 150))
    assert 1 - measured <= bound + within(expected, 150)


def test_the_bound_bites():
    """N = 8, K = 40, p_comp = .8, p_gen = .5: at most .4 % + 3 * .07 % = .6 % of the answers may be wrong."""
    bound = 0.5**8 + 3 * exp(-80 * 0.09)
    assert bound < 0.0065
    assert 1 - accuracy("knockout", 80, 0.5, Judge(TRUTH, 0.8), n=8, comparisons=40) <= bound + within(bound, 80)


@pytest.mark.parametrize("judge", [Judge(TRUTH, accuracy=0.5), Judge(TRUTH, bias=1.0)])
@pytest.mark.parametrize("strategy", ["knockout", "league"])
def test_a_judge_that_knows_nothing_gains_nothing(strategy, judge):
    """p_comp = 1/2 => accuracy = p_gen; so it is too when the place decides, since both orders are shown."""
    assert accuracy(strategy, 150, 0.4, judge, n=5) == pytest.approx(0.4, abs=within(0.4, 150))


@pytest.mark.parametrize(("strategy", "more"), [("knockout", {}), ("league", {"opponents": 5})])
def test_a_perfect_judge_finds_what_was_drawn(strategy, more):
    """p_comp = 1 => 1 - (1 - p_gen)^N, with byes (N = 6); in a league of all against all."""
    assert accuracy(strategy, 100, 0.2, Judge(TRUTH, accuracy=1.0), n=6, **more) == pytest.approx(
        1 - 0.8**6, abs=within(0.8**6, 100)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_a_knockout_costs_n_plus_k_times_n_minus_one_calls(n):
    """N + K (N - 1), whatever N: each match loses one."""
    model = Referee(abilities=ALONE)
    answer = solve_sync(problems(1)[0], model=model, strategy="knockout", n=n, comparisons=3)
    assert model.tally.calls == n + 3 * (n - 1) == sum(usage.calls for usage in answer.usage.values())
    assert len(answer.candidates) == n
    assert answer.usage.get("judge") is None or answer.usage["judge"].calls == 3 * (n - 1)


@pytest.mark.parametrize(("n", "opponents"), [(1, 4), (4, 2), (4, 9)])
def test_a_league_costs_n_plus_n_times_its_opponents(n, opponents):
    """N + N min(K, N - 1), and each stands first in half of its own matches, one more where K is odd."""
    model = Referee(abilities=ALONE)
    answer = solve_sync(problems(1)[0], model=model, strategy="league", n=n, opponents=opponents)
    rivals = min(opponents, n - 1)
    assert model.tally.calls == n + n * rivals
    matches = [event for event in answer.trace.events if event.kind == "compared"]
    assert len(matches) == n * rivals
    assert all((one.value is None) == (n == 1) for one in answer.candidates)


def test_a_place_weighs_on_all_alike_in_a_league():
    """A judge that always says "1" gives everyone the share of its own matches that it opens: K = 4: 1/2."""
    answer = solve_sync(problems(1)[0], model=Referee(place=1.0), strategy="league", n=6, opponents=4)
    assert [one.value for one in answer.candidates] == [0.5] * 6


def test_the_trace_redraws_the_bracket():
    answer = solve_sync(problems(1)[0], model=Referee(accuracy=0.5), strategy="knockout", n=7, comparisons=2)
    left = {one.sample.event for one in answer.candidates}
    for match in [event for event in answer.trace.events if event.kind == "compared"]:
        loser = match.data["second"] if match.data["value"] >= 0.5 else match.parent
        left.remove(loser)
    [winner] = left
    assert next(one.answer for one in answer.candidates if one.sample.event == winner) == answer.answer


@pytest.mark.parametrize("strategy", ["knockout", "league"])
def test_any_verifier_can_be_the_judge(strategy):
    """A perfect one that only scores finds a right candidate wherever there is one."""
    model = Simulated(accuracy=0.3, steps=1)
    exact = TRUTH
    for problem in problems(10):
        answer = solve_sync(problem, model=model, strategy=strategy, verifier=exact, n=5)
        assert (answer.answer == problem.reference) == any(one.answer == problem.reference for one in answer.candidates)
        assert answer.oracle


@pytest.mark.parametrize("strategy", ["knockout", "league"])
def test_a_judge_that_cannot_be_read_is_an_error_and_not_a_choice(strategy):
    mute = Check("mute", "nothing", lambda problem, text: Score(None, error="I cannot tell"))
    for settings in ({"model": Simulated(), "verifier": mute}, {"model": Referee(words_only="Hm.")}):
        with pytest.raises(VerifierError, match="none of 4 candidates"):
            solve_sync(problems(1)[0], strategy=strategy, n=4, **settings)


@pytest.mark.parametrize("strategy", ["knockout", "league"])
def test_cut_by_the_budget_the_plurality_stands(strategy):
    model = Referee(accuracy=0.6, steps=1, attractor=1, abilities=ALONE)
    full = solve_sync(problems(1)[0], model=model, strategy="self-consistency", n=6)
    cut = solve_sync(problems(1)[0], model=model, strategy=strategy, n=6, budget="7 calls")
    assert (cut.answer, cut.stopped) == (full.answer, "budget")


@pytest.mark.parametrize(("strategy", "wrong"), [("knockout", {"comparisons": 0}), ("league", {"opponents": -1})])
def test_parameters_are_checked_before_anything_is_spent(strategy, wrong):
    model = Referee()
    with pytest.raises(InputError, match="must be above 0"):
        solve_sync(problems(1)[0], model=model, strategy=strategy, **wrong)
    assert model.tally.calls == 0


@pytest.mark.parametrize("strategy", ["knockout", "league", "universal-self-consistency"])
def test_the_answers_of_another_strategy_can_compete(strategy):
    """Each candidate is a vote of 5: right with more than p, and judged no differently."""
    model = Referee(accuracy=0.6, steps=1, attractor=1, abilities=ALONE)
    answer = solve_sync(problems(1)[0], model=model, strategy=strategy, n=3, sampler="self-consistency(n=5)")
    assert (len(answer.candidates), answer.usage["policy"].calls) == (3, 15)
    assert answer.usage["judge"].calls > 0


def test_a_verifier_of_log_probabilities_gets_them():
    """Confidence scores what it is given: without the log-probabilities there would be no match to judge."""
    answer = solve_sync(problems(1)[0], model=Simulated(), strategy="knockout", verifier=Confidence(), n=4)
    assert answer.text == max(answer.candidates, key=lambda one: fmean(one.sample.logprobs)).sample.text
