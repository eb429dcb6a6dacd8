"""Twisted SMC: the estimate of Z is exact in expectation over all histories, and certain where the twists are the best ones."""

import asyncio
from itertools import pairwise
from math import exp, log, sqrt
from random import Random
from statistics import fmean, stdev
from types import SimpleNamespace

import pytest

from ponder import trace
from ponder.errors import InputError
from ponder.models.simulated import Simulated
from ponder.search import multinomial, systematic
from ponder.solve import solve, solve_sync
from ponder.strategies import smc
from ponder.strategies.smc import Cloud, propose
from ponder.strategies.steps import Path
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Abilities, Chunk, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

PROBLEM = problems(1)[0]
FIRST = {"a": 0.7, "b": 0.3}
SECOND = {"a": {"a": 0.4, "b": 0.6}, "b": {"a": 0.8, "b": 0.2}}
PHI = {"a\na": 0.9, "a\nb": 0.2, "b\na": 0.5, "b\nb": 0.05}
Z = sum(FIRST[x[0]] * SECOND[x[0]][x[2]] * phi for x, phi in PHI.items())
BEST = {x: sum(SECOND[x][y] * PHI[f"{x}\n{y}"] for y in "ab") for x in "ab"}


class Histories:
    """Every way in which chance can go, one after the other: `choose` decides as the script says, then always for the first."""

    def __init__(self):
        self.script, self.made, self.probability = [], [], 1.0

    def choose(self, chances):
        at = len(self.made)
        place = self.script[at] if at < len(self.script) else 0
        self.made.append((place, len(chances)))
        self.probability *= chances[place] / sum(chances)
        return place

    def next(self):
        """Whether there is one more history, which the script then tells."""
        while self.made and self.made[-1][0] + 1 == self.made[-1][1]:
            self.made.pop()
        self.script = [place for place, _ in self.made]
        if self.script:
            self.script[-1] += 1
        self.made, self.probability = [], 1.0
        return bool(self.script)


class Toy(Simulated):
    """Writes two tokens, a or b, a line each."""

    def __init__(self, histories):
        super().__init__(abilities=Abilities(continues=True))
        object.__setattr__(self, "histories", histories)

    async def stream(self, request):
        law = SECOND[request.prefix[0]] if request.prefix else FIRST
        token = list(law)[self.histories.choose(list(law.values()))]
        stop = None if request.prefix else "\n"
        yield Chunk(token, token_ids=(1,), finish_reason="stop", stop=stop, usage=Usage(1, 1, 0, 1))


def resampling(histories, rule):
    """The rule with its random numbers chosen by the histories: offsets stand for the intervals in which they do the same."""

    def resample(n, weights, rng):
        offset = None
        if rule is systematic:
            reached = [n * sum(weights[: place + 1]) / sum(weights) % 1 for place in range(len(weights))]
            intervals = [pair for pair in pairwise(sorted({0.0, *reached, 1.0})) if pair[1] - pair[0] > 1e-12]
            offset = sum(intervals[histories.choose([high - low for low, high in intervals])]) / 2
        return rule(n, weights, chance(histories, offset))

    return resample


def chance(histories, offset=None):
    def choices(places, weights=None, k=1):
        return [places[histories.choose(weights or [1] * len(places))] for _ in range(k)]

    return SimpleNamespace(choices=choices, random=lambda: offset)


def estimates(monkeypatch, n, threshold, rule, twists, width=1):
    """(Z hat, probability) of every history of particles."""
    values = {f"{x}\n": twist for x, twist in twists.items()} | PHI
    verifier = Check("table", "nothing", lambda problem, text: Score(values[text]))
    histories, found = Histories(), []
    monkeypatch.setitem(smc._RESAMPLING, "systematic", resampling(histories, rule))
    monkeypatch.setattr(smc, "Random", lambda _: chance(histories))
    while True:
        with trace.tracing(Trace()) as seen:
            asyncio.run(smc.twisted_smc.run(PROBLEM, Toy(histories), verifier, n=n, width=width, threshold=threshold))
        found.append((exp([event.data["log_z"] for event in seen.events if event.kind == "resampled"][-1]), histories.probability))
        if not histories.next():
            return found


def mean(found, power=1):
    return sum(estimate**power * chance for estimate, chance in found)


@pytest.mark.parametrize("twists", [{"a": 0.2, "b": 0.8}, {"a": 0.9, "b": 0.01}, BEST], ids=["wrong", "very wrong", "best"])
@pytest.mark.parametrize("rule", [multinomial, systematic], ids=["multinomial", "systematic"])
@pytest.mark.parametrize(("n", "threshold"), [(2, 1.0), (2, 0.0)], ids=["always", "never"])
def test_the_estimate_of_z_is_exact_in_expectation_for_any_twist(monkeypatch, n, threshold, rule, twists):
    """E[Z hat] = Z = sum p(x) phi(x), the sum over all histories of the particles and of the resampling."""
    found = estimates(monkeypatch, n, threshold, rule, twists)
    assert sum(chance for _, chance in found) == pytest.approx(1)
    assert mean(found) == pytest.approx(Z)


def test_the_estimate_is_exact_where_resampling_is_triggered_only_now_and_then(monkeypatch):
    """n = 3, below an effective size of 2.4: some histories resample and others do not."""
    found = estimates(monkeypatch, 3, 0.8, systematic, {"a": 0.2, "b": 0.8})
    assert mean(found) == pytest.approx(Z)


def test_steps_taken_by_their_twists_leave_the_estimate_exact_and_make_it_surer(monkeypatch):
    """One particle, best twists: each w_t is the mean of `width` draws, so Var(Z hat) falls, and E[Z hat] = Z throughout."""
    one, two = (estimates(monkeypatch, 1, 0.5, systematic, BEST, width) for width in (1, 2))
    assert mean(one) == pytest.approx(Z)
    assert mean(two) == pytest.approx(Z)
    assert mean(two, 2) - Z**2 < 0.6 * (mean(one, 2) - Z**2)


def test_with_the_optimal_twist_and_the_proposal_that_it_induces_the_estimate_has_no_variance():
    """psi_t = E_p[phi | x_1:t], the children all that there are, in the shares that p gives them: each w_t is its expectation, so
    Z hat = Z for every history, and a step is taken with p psi_t / sum p psi_t."""
    tens = {
        x: [Path(f"{x}\n{y}", ended=True, score=Score(PHI[f"{x}\n{y}"])) for y in "ab" for _ in range(round(10 * SECOND[x][y]))]
        for x in "ab"
    }
    firsts = [Path(f"{x}\n", score=Score(BEST[x])) for x in "ab" for _ in range(round(10 * FIRST[x]))]
    rng, cloud = Random(1), Cloud((Path(),) * 500, (0.0,) * 500)
    cloud = cloud.moved(propose(path, firsts, rng) for path in cloud.paths)
    cloud = cloud.chosen(systematic(500, [exp(one) for one in cloud.logits], rng))
    cloud = cloud.moved(propose(path, tens[path.text[0]], rng) for path in cloud.paths)
    assert cloud.evidence == pytest.approx(log(Z))
    assert cloud.logits == pytest.approx([0.0] * 500)
    for x, phi in PHI.items():
        share = FIRST[x[0]] * SECOND[x[0]][x[2]] * phi / Z
        assert fmean(path.text == x for path in cloud.paths) == pytest.approx(share, abs=4 * sqrt(share * (1 - share) / 500))


def test_equal_weights_are_never_resampled_and_one_value_is_its_own_evidence():
    """phi = psi = .3 throughout: w_1 = .3 and all others 1, log Z hat = ln .3 in every round."""
    level = Check("level", "nothing", lambda problem, text: Score(0.3))
    answer = solve_sync(PROBLEM, model=Simulated(), strategy="twisted-smc", verifier=level, n=5)
    told = [event.data for event in answer.trace.events if event.kind == "resampled"]
    assert [one["log_z"] for one in told] == pytest.approx([log(0.3)] * len(told))
    assert all(one["copies"] == [1] * 5 for one in told)


def test_through_the_whole_strategy_the_evidence_is_unbiased():
    """Z = sum p(x) phi(x) = .5 * .8 + .5 * .2, estimated with noisy twists and resampling of both kinds."""
    model = Simulated(accuracy=0.5, steps=2, words=1, abilities=Abilities(continues=True, n=True))
    noisy = Process(model.chance, sigma=0.5, floor=0.2)

    class Twisted:
        name, reads = "twisted", "nothing"

        async def __call__(self, problem, samples):
            twists = await noisy(problem, samples)
            ends = [Score(0.8 if model.chance(problem, one.prefix + one.text) > 0.5 else 0.2) for one in samples]
            return [end if "answer" in one.text else twist for one, twist, end in zip(samples, twists, ends, strict=True)]

    async def main():
        kinds = ("systematic", "multinomial")
        asked = [
            solve(one, model=model, strategy="twisted-smc", verifier=Twisted(), n=4, threshold=0.9, resampling=kinds[i % 2])
            for i, one in enumerate(problems(60))
        ]
        return await asyncio.gather(*asked)

    found = [[event.data for event in one.trace.events if event.kind == "resampled"] for one in asyncio.run(main())]
    assert {1, 2} <= {max(told["copies"]) for one in found for told in one}
    estimates = [exp(one[-1]["log_z"]) for one in found]
    assert fmean(estimates) == pytest.approx(0.5, abs=4 * stdev(estimates) / sqrt(60))
    assert 4 * stdev(estimates) / sqrt(60) < 0.15


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resampling": "residual"}, "systematic, multinomial"),
        ({"threshold": 1.5}, r"\[0, 1\]"),
        ({"width": 0}, "`width` must be above 0"),
    ],
)
def test_wrong_parameters_are_named_before_anything_is_spent(wrong, message):
    model = Simulated()
    with pytest.raises(InputError, match=message):
        solve_sync(PROBLEM, model=model, strategy="twisted-smc", verifier=Process(model.chance), **wrong)
    assert model.tally.calls == 0
