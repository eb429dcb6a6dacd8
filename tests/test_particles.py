"""Particle filtering: its limits, what is published against what is right, and the evidence that it estimates."""

import asyncio
from math import exp, sqrt
from statistics import fmean, stdev
from zlib import crc32

import pytest

from ponder.errors import InputError
from ponder.models.simulated import STEP, Simulated
from ponder.search import entropy
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Score
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

ABLE = Abilities(continues=True, n=True)
LEVEL = Check("level", "nothing", lambda problem, text: Score(0.5))


def filtered(model, verifier, count, strategy="particles", **parameters):
    async def main():
        asked = [solve(one, model=model, strategy=strategy, verifier=verifier, **parameters) for one in problems(count)]
        return await asyncio.gather(*asked)

    return list(zip(problems(count), asyncio.run(main()), strict=True))


def resampled(answer):
    return [event.data for event in answer.trace.events if event.kind == "resampled"]


@pytest.mark.parametrize("corrected", [False, True])
def test_with_a_constant_prm_a_particle_is_an_independent_sample(corrected):
    """The law of an answer is the model's: E[share right] = p. Genealogies tie particles, so the standard error is by problem."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)
    shares = [
        fmean(one.answer == problem.reference for one in answer.candidates)
        for problem, answer in filtered(model, LEVEL, 150, n=6, corrected=corrected)
    ]
    assert fmean(shares) == pytest.approx(0.4, abs=4 * stdev(shares) / sqrt(150))


def test_with_a_constant_prm_the_corrected_filter_copies_and_drops_nothing():
    """Systematic resampling of equal weights gives each particle itself: exactly n independent samples."""
    answer = solve_sync(problems(1)[0], model=Simulated(), strategy="particles", verifier=LEVEL, n=8, corrected=True)
    assert all(data["copies"] == [1] * 8 for data in resampled(answer))
    assert len({one.sample.text.splitlines()[0] for one in answer.candidates}) == 8


@pytest.mark.parametrize(("strategy", "parameters"), [("particles", {}), ("twisted-smc", {"width": 1})])
def test_one_particle_is_plain_sampling(strategy, parameters):
    """n = 1: right with probability p."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)
    found = filtered(model, Process(model.chance), 150, strategy, n=1, **parameters)
    right = fmean(answer.answer == problem.reference for problem, answer in found)
    assert right == pytest.approx(0.4, abs=4 * sqrt(0.24 / 150))


@pytest.mark.parametrize("corrected", [False, True])
def test_with_a_perfect_prm_only_a_round_without_a_right_step_is_fatal(corrected):
    """(1 - h^n)^T, which goes to 1."""
    model = Simulated(accuracy=0.05, steps=3, words=1, abilities=ABLE)
    truth = Check("truth", "nothing", lambda problem, text: Score(float(model.chance(problem, text) > 0)))
    right = fmean(a.answer == problem.reference for problem, a in filtered(model, truth, 100, n=4, corrected=corrected))
    expected = (1 - (1 - 0.05 ** (1 / 3)) ** 4) ** 3
    assert right == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / 150))
    assert fmean(a.answer == problem.reference for problem, a in filtered(model, truth, 8, n=32, corrected=corrected)) == 1


def first_step(problem, text):
    """.6 or .4 by the first step alone: odds of 1.5 or 2/3, however many steps follow."""
    return Score(0.6 if STEP.findall(text)[0] == "right" else 0.4)


def test_published_weights_count_a_score_again_each_round_and_corrected_ones_once():
    """First steps right with q = 1/2, odds 3/2 or 2/3 at each of T = 4 rounds: published the share tends to o^T / (o^T + o^-T) =
    .962, corrected to o / (o + 1/o) = .692."""
    model = Simulated(accuracy=0.5**3, steps=3, words=1, abilities=ABLE)
    judge = Check("first", "nothing", first_step)
    for corrected, expected in ((False, 1.5**4 / (1.5**4 + 1.5**-4)), (True, 1.5 / (1.5 + 1 / 1.5))):
        shares = [
            fmean(STEP.findall(one.sample.text)[0] == "right" for one in answer.candidates)
            for _, answer in filtered(model, judge, 10, n=48, corrected=corrected)
        ]
        assert fmean(shares) == pytest.approx(expected, abs=4 * stdev(shares) / sqrt(10) + 0.01)


@pytest.mark.parametrize("tempering", [1.0, 2.0])
def test_the_evidence_is_unbiased(tempering):
    """E[Z hat] = Z = sum p(x) odds(x)^(1/T_s), with ends of odds 4 (right, .5) and 1/4: any twist in between gives the same."""
    model = Simulated(accuracy=0.5, steps=2, words=1, abilities=ABLE)
    judge = Process(model.chance, sigma=0.5, floor=0.2)
    ends = Check("ends", "nothing", lambda problem, text: Score(0.8 if model.chance(problem, text) > 0.5 else 0.2))

    class Twisted:
        name, reads = "twisted", "nothing"

        async def __call__(self, problem, samples):
            twists, finals = await judge(problem, samples), await ends(problem, samples)
            over = ["answer" in one.text for one in samples]
            return [final if end else twist for twist, final, end in zip(twists, finals, over, strict=True)]

    found = filtered(model, Twisted(), 300, n=4, corrected=True, tempering=tempering)
    estimates = [exp(resampled(answer)[-1]["log_z"]) for _, answer in found]
    expected = 0.5 * 4 ** (1 / tempering) + 0.5 * 4 ** (-1 / tempering)
    assert fmean(estimates) == pytest.approx(expected, abs=4 * stdev(estimates) / sqrt(300))
    assert 4 * stdev(estimates) / sqrt(300) < expected / 8


def test_tempering_goes_from_greedy_to_no_selection():
    """T_s -> 0 copies only the best; T_s -> infinity makes all weights equal."""
    model = Simulated(steps=3)
    judge = Check("judge", "nothing", lambda problem, text: Score(0.1 + crc32(text.encode()) / 2**33))
    greedy, free = (
        solve_sync(problems(1)[0], model=model, strategy="particles", verifier=judge, n=8, tempering=tempering)
        for tempering in (1e-6, 1e9)
    )
    assert all(sorted(data["copies"])[-1] == 8 for data in resampled(greedy))
    assert all(data["effective"] == pytest.approx(8) for data in resampled(free))


def test_entropic_annealing_keeps_the_cloud_from_collapsing():
    """An overconfident PRM leaves one ancestor of the first round; with a floor under the entropy several survive it."""
    model = Simulated(steps=4)
    sure = Check("sure", "nothing", lambda problem, text: Score(0.999 if len(text) % 8 == 0 else 0.05))
    plain, annealed = (
        solve_sync(problems(1)[0], model=model, strategy="particles", verifier=sure, n=16, entropy=least) for least in (0.0, 0.9)
    )
    assert min(data["effective"] for data in resampled(plain)) < 6
    assert min(data["effective"] for data in resampled(annealed)) > 6
    assert all(data["log_z"] is None for data in resampled(annealed))
    assert entropy([1.0] * 16) == pytest.approx(1)


def test_an_entropy_of_one_is_no_floor():
    with pytest.raises(InputError, match=r"`entropy` must lie in \[0, 1\)"):
        solve_sync(problems(1)[0], model=Simulated(), strategy="particles", verifier=LEVEL, entropy=1.0)


def test_finished_particles_are_resampled_but_not_drawn_again():
    model = Simulated(steps=2, abilities=Abilities(continues=True))
    answer = solve_sync(problems(1)[0], model=model, strategy="particles", verifier=Process(model.chance), n=6)
    assert len([event for event in answer.trace.events if event.kind == "drawn"]) == model.tally.calls == 18
    assert len(answer.candidates) == 6


def test_the_particle_kept_survives_and_the_others_are_drawn_anew():
    """n (T + 1) draws in the first sweep and (n - 1) (T + 1) in each other; the first of each later sweep is an end of the last."""
    model = Simulated(steps=2, abilities=Abilities(continues=True))
    answer = solve_sync(problems(1)[0], model=model, strategy="particle-gibbs", verifier=Process(model.chance), n=5, iterations=3)
    assert model.tally.calls == 5 * 3 + 2 * 4 * 3
    texts = [one.sample.text for one in answer.candidates]
    assert len(texts) == 15
    assert texts[5] in texts[:5]
    assert texts[10] in texts[5:10]
    assert all(data["copies"][0] >= 1 for data in resampled(answer)[3:])


def test_with_a_constant_prm_particle_gibbs_leaves_the_law_as_it_is():
    """Conditional resampling with equal weights: E[share right] = p in every sweep; the standard error is by problem."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)
    shares = [
        fmean(one.answer == problem.reference for one in answer.candidates)
        for problem, answer in filtered(model, LEVEL, 100, strategy="particle-gibbs", n=4, iterations=2)
    ]
    assert fmean(shares) == pytest.approx(0.4, abs=4 * stdev(shares) / sqrt(100))
