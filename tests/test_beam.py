"""Beam, lookahead and diverse trees against closed forms on the simulated model, and against best-of-n."""

import asyncio
from collections import Counter
from math import comb, sqrt
from zlib import crc32

import pytest

from ponder.errors import InputError
from ponder.models.simulated import STEP, Simulated
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Score
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

ABLE = Abilities(continues=True, n=True)
LEVEL = Check("level", "nothing", lambda problem, text: Score(0.5))


def perfect(model):
    return Process(model.chance, sigma=0.0, floor=0.0)


def accuracy(model, verifier, strategy, count, **parameters):
    async def main():
        asked = [solve(one, model=model, strategy=strategy, verifier=verifier, **parameters) for one in problems(count)]
        return await asyncio.gather(*asked)

    return sum(answer.answer == one.reference for answer, one in zip(asyncio.run(main()), problems(count), strict=True)) / count


def within(p, count):
    """Four standard errors of a share of `count`."""
    return 4 * sqrt(p * (1 - p) / count) + 1e-9


def binomial(n, p):
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def beam_chance(beams, width, hazard, steps):
    """P(a right leaf) with a perfect PRM: right prefixes k' = min(N/M, Binomial(k M, 1 - h)), and k = 0 is lost."""
    kept = beams // width
    law = {kept: 1.0}
    draws = {kept: beams}
    for _ in range(steps):
        after: Counter[int] = Counter()
        for right, chance in law.items():
            for grown, share in enumerate(binomial(draws.get(right, right * width), 1 - hazard)):
                after[min(kept, grown)] += chance * share
        law, draws = after, {}
    return 1 - law[0]


@pytest.mark.parametrize(("beams", "width", "p"), [(4, 4, 0.1), (4, 2, 0.2), (8, 4, 0.05)])
def test_with_a_perfect_prm_beam_search_is_the_chain_of_its_survivors(beams, width, p):
    """k' = min(N/M, Binomial(kM, (1-h))), (1-h)^T = p; 120 problems, four standard errors."""
    model = Simulated(accuracy=p, steps=3, words=1, abilities=ABLE)
    expected = beam_chance(beams, width, 1 - p ** (1 / 3), 3)
    measured = accuracy(model, perfect(model), "beam", 120, beams=beams, width=width)
    assert measured == pytest.approx(expected, abs=within(expected, 120))


@pytest.mark.parametrize("p", [0.01, 0.1, 0.3])
def test_with_a_perfect_prm_beam_search_beats_best_of_n_at_every_n_and_goes_to_one(p):
    """Chain of survivors >= 1 - (1-p)^N for every N = 4 to 256, T = 4 steps; and both were measured at N = 8."""
    for beams in (4, 8, 16, 32, 64, 128, 256):
        assert beam_chance(beams, 4, 1 - p**0.25, 4) >= 1 - (1 - p) ** beams
    assert beam_chance(256, 4, 1 - p**0.25, 4) > 0.999
    model = Simulated(accuracy=p, steps=4, words=1, abilities=ABLE)
    beam = accuracy(model, perfect(model), "beam", 60, beams=8)
    best_of_n = accuracy(model, perfect(model), "best-of-n", 60, n=8)
    assert best_of_n == pytest.approx(1 - (1 - p) ** 8, abs=within(1 - (1 - p) ** 8, 60))
    assert beam > best_of_n


def flawed(problem, text):
    """.9 for right and .1 for wrong prefixes, but one wrong turn in 20 looks perfect, and so does all that follows it."""
    lines = text.splitlines()
    turn = next((at for at, line in enumerate(lines, 1) if line.endswith("wrong")), None)
    if turn is None:
        return Score(0.9)
    return Score(1.0 if crc32("".join(lines[:turn]).encode()) % 20 == 0 else 0.1)


def test_with_a_flawed_prm_the_published_crossover_appears():
    """Snell 2024: beam search wins on hard problems with few samples; with many, on easy ones, it finds the PRM's errors.

    A round of N draws meets a flaw with the chance 1 - (1 - h/20)^N, after which all of the beam is wrong.
    """
    judge = Check("flawed", "nothing", flawed)
    hard, easy = (Simulated(accuracy=p, steps=4, words=1, abilities=ABLE) for p in (0.1, 0.6))
    assert accuracy(hard, judge, "beam", 60, beams=4) > accuracy(hard, judge, "weighted-vote", 60, n=4) + 0.15
    assert accuracy(easy, judge, "beam", 30, beams=32) < accuracy(easy, judge, "weighted-vote", 30, n=32) - 0.25


def test_of_width_one_nothing_is_selected_and_beam_search_is_independent_sampling():
    """M = 1: N independent samples, each right with probability p; no path is given up and none branches."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)

    async def main():
        asked = [solve(one, model=model, strategy="beam", verifier=LEVEL, beams=6, width=1) for one in problems(60)]
        return await asyncio.gather(*asked)

    answers = asyncio.run(main())
    right = [one.answer == problem.reference for a, problem in zip(answers, problems(60), strict=True) for one in a.candidates]
    assert len(right) == 360
    assert sum(right) / 360 == pytest.approx(0.4, abs=within(0.4, 360))
    for answer in answers:
        assert not [event for event in answer.trace.events if event.kind == "pruned"]
        assert len({one.sample.text.splitlines()[0] for one in answer.candidates}) == 6


@pytest.mark.parametrize("strategy", ["beam", "lookahead", "dvts"])
def test_one_beam_is_plain_sampling(strategy):
    """N = M = 1: right with probability p."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)
    assert accuracy(model, perfect(model), strategy, 150, beams=1, width=1) == pytest.approx(0.4, abs=within(0.4, 150))


@pytest.mark.parametrize(("strategy", "k", "steps"), [("beam", {}, 1), ("lookahead", {"k": 0}, 1), ("lookahead", {"k": 2}, 3)])
def test_a_round_costs_n_steps_and_with_lookahead_n_times_k_plus_one(strategy, k, steps):
    """N (k + 1) steps a round; a rollout stops at its end, so of 4 rounds the last has N and the one before N * 2."""
    model = Simulated(steps=3, abilities=Abilities(continues=True))
    answer = solve_sync(problems(1)[0], model=model, strategy=strategy, verifier=Process(model.chance), beams=8, width=4, **k)
    rounds = [8 * min(steps, left) for left in (4, 3, 2, 1)]
    drawn = [event for event in answer.trace.events if event.kind == "drawn"]
    assert len(drawn) == model.tally.calls == sum(rounds)
    assert len(answer.candidates) == 8


def test_lookahead_of_no_steps_is_beam_search():
    """k = 0: the same paths, scores, answer and bill."""
    model = Simulated(steps=3, abilities=ABLE)
    settings = {"model": model, "verifier": Process(model.chance), "beams": 8, "width": 4}
    for one in problems(4):
        beam, ahead = (solve_sync(one, strategy=strategy, **settings) for strategy in ("beam", "lookahead(k=0)"))
        found = [[(c.sample.text, c.value) for c in answer.candidates] for answer in (beam, ahead)]
        assert (found[0], beam.text, beam.usage) == (found[1], ahead.text, ahead.usage)


def test_lookahead_is_scored_where_it_leads():
    """The reference implementation pays for the rollout and scores the prefix. Where a prefix shows nothing and an end everything,
    beam search keeps any path, p; lookahead finds a right one among N, 1 - (1-p)^N."""
    model = Simulated(accuracy=0.3, steps=1, words=1, abilities=ABLE)
    seen_late = Check("late", "nothing", lambda problem, text: Score(model.chance(problem, text) if "answer" in text else 0.5))
    blind = accuracy(model, seen_late, "beam", 150, beams=4)
    sighted = accuracy(model, seen_late, "lookahead", 150, beams=4)
    assert blind == pytest.approx(0.3, abs=within(0.3, 150))
    assert sighted == pytest.approx(1 - 0.7**4, abs=within(1 - 0.7**4, 150))


def test_diverse_trees_are_independent_greedy_trees():
    """Perfect PRM: 1 - (1 - (1 - h^M)^T)^(N/M); with N = M it is one greedy tree."""
    model = Simulated(accuracy=0.05, steps=3, words=1, abilities=ABLE)
    hazard = 1 - 0.05 ** (1 / 3)
    for beams in (2, 8):
        expected = 1 - (1 - (1 - hazard**2) ** 3) ** (beams // 2)
        measured = accuracy(model, perfect(model), "dvts", 80, beams=beams, width=2)
        assert measured == pytest.approx(expected, abs=within(expected, 80))


def test_every_tree_gives_all_siblings_of_its_last_step():
    model = Simulated(steps=3)
    answer = solve_sync(problems(1)[0], model=model, strategy="dvts", verifier=Process(model.chance), beams=8, width=4)
    stems = Counter(one.sample.text.rpartition("answer")[0] for one in answer.candidates)
    assert sorted(stems.values()) == [4, 4]
    drawn = [event for event in answer.trace.events if event.kind == "drawn"]
    assert len(drawn) == 8 * 4


def test_the_last_round_writes_to_the_end():
    model = Simulated(steps=9)
    for strategy in ("beam", "dvts"):
        answer = solve_sync(
            problems(1)[0], model=model, strategy=strategy, verifier=Process(model.chance), beams=4, width=2, depth=2
        )
        assert {len(STEP.findall(one.sample.text)) for one in answer.candidates} == {9}
        assert all(one.answer for one in answer.candidates)


@pytest.mark.parametrize("strategy", ["beam", "lookahead", "dvts"])
def test_beams_must_be_a_multiple_of_the_width(strategy):
    model = Simulated()
    with pytest.raises(InputError, match="multiple of `width`: 6 / 4"):
        solve_sync(problems(1)[0], model=model, strategy=strategy, verifier=LEVEL, beams=6, width=4)
    assert model.tally.calls == 0
