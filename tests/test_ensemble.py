"""Several verifiers as one: the law of averages, what a bias does, and what is left out."""

import asyncio
from statistics import fmean, variance

import pytest

from ponder import trace
from ponder.errors import InputError
from ponder.models.simulated import dice
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Sample, Score
from ponder.verifiers.check import Check
from ponder.verifiers.confidence import Confidence
from ponder.verifiers.ensemble import Ensemble, qualities
from ponder.verifiers.pairwise import compare

PROBLEM = problems(1)[0]


def table(*columns, names="abcdefgh"):
    """One member a column; row i is the sample whose text is i, and None is unknown."""

    def member(name, values):
        def grade(problem, text):
            value = values[int(text)]
            return Score(value, error="it is not my subject" if value is None else None)

        return Check(name, "nothing", grade)

    return tuple(member(name, values) for name, values in zip(names, columns, strict=False))


def judge(ensemble, count):
    return [score.value for score in asyncio.run(ensemble(PROBLEM, [Sample(str(i)) for i in range(count)]))]


@pytest.mark.parametrize("k", [1, 2, 8])
def test_the_mean_of_k_correlated_verifiers_has_the_variance_s2_r_plus_1_minus_r_over_k(k):
    """Var = s² (r + (1-r)/K), s = .05, r = .3: it does not fall below s² r, whatever K."""
    members = [
        [0.5 + 0.05 * (0.3**0.5 * dice("shared", i).gauss() + 0.7**0.5 * dice(j, i).gauss()) for i in range(1000)] for j in range(k)
    ]
    ensemble = Ensemble(table(*members))
    values = judge(ensemble, 1000)
    assert variance(values) == pytest.approx(0.05**2 * (0.3 + 0.7 / k), rel=0.15)


def test_where_all_members_know_all_samples_the_mean_is_the_plain_mean():
    rows = [[0.1, 0.9, 0.4], [0.3, 0.7, 0.2]]
    assert judge(Ensemble(table(*rows)), 3) == pytest.approx([fmean(pair) for pair in zip(*rows, strict=True)])
    assert judge(Ensemble(table([0.2], [0.6], [None])), 1) == pytest.approx([0.4])


def test_a_lenient_members_absence_costs_a_sample_nothing():
    """x[i, j] = q[i] + b[j], sum b = 0, is found again exactly where some are missing; the plain mean ranks the two wrongly."""
    quality, bias = [0.3, 0.5, 0.6, 0.4], [0.2, -0.2, 0.0]
    known = [{0, 1}, {0, 1, 2}, {1, 2}, {0}]
    rows = [{j: quality[i] + bias[j] for j in members} for i, members in enumerate(known)]
    assert qualities(rows) == pytest.approx(quality, abs=1e-6)
    assert fmean(rows[2].values()) < fmean(rows[3].values())
    columns = [[row.get(j) for row in rows] for j in range(3)]
    assert judge(Ensemble(table(*columns)), 4) == pytest.approx(quality, abs=1e-6)


def test_the_mean_stays_a_score():
    """The fit of a lenient member's praise and a strict one's silence may pass 1: 1.0 + 0.25 above it."""
    values = judge(Ensemble(table([0.5, None], [0.0, 1.0])), 2)
    assert qualities([{0: 0.5, 1: 0.0}, {1: 1.0}]) == pytest.approx([0.25, 1.25], abs=1e-6)
    assert values == pytest.approx([0.25, 1.0], abs=1e-6)


def test_a_veto_needs_one_voice():
    columns = [0.9, 0.9, 0.4, None], [0.7, 0.49, 0.4, 0.8]
    assert judge(Ensemble(table(*columns), how="veto"), 4) == pytest.approx([0.8, 0.0, 0.0, 0.8])
    assert judge(Ensemble(table(*columns), how="veto", threshold=0.4), 3) == pytest.approx([0.8, 0.695, 0.4])


def test_agreement_is_the_share_that_accepts():
    columns = [0.9, 0.5, 0.1], [0.7, 0.49, 0.1], [0.0, 0.49, None]
    assert judge(Ensemble(table(*columns), how="agreement"), 3) == pytest.approx([2 / 3, 1 / 3, 0.0])


@pytest.mark.parametrize("how", ["mean", "veto", "agreement"])
def test_what_no_member_knows_is_unknown_and_what_one_does_not_know_is_said(how):
    record = Trace()
    with trace.tracing(record):
        scores = asyncio.run(Ensemble(table([None, 0.6], [None, None]), how=how)(PROBLEM, [Sample("0", event=4), Sample("1")]))
    assert [score.value for score in scores] == [None, 1.0 if how == "agreement" else pytest.approx(0.6)]
    assert "a: it is not my subject; b: it is not my subject" in scores[0].error
    voted = [(event.parent, event.data["verifier"], event.data["value"]) for event in record.events if event.kind == "voted"]
    assert sorted(voted, key=str) == sorted([(4, "a", None), (None, "a", 0.6), (4, "b", None), (None, "b", None)], key=str)


def test_an_ensemble_reads_what_its_members_read():
    blind, tests = Check("blind", "nothing", lambda problem, text: Score(1.0)), Check("code", "tests", lambda p, t: Score(1.0))
    assert Ensemble((blind, blind)).reads == "nothing"
    assert Ensemble((blind, tests)).reads == "tests"
    assert not Ensemble((blind, tests)).logprobs
    assert Ensemble((blind, Confidence())).logprobs
    assert Ensemble((blind, tests), how="veto").name == "veto(blind+code)"


def test_an_ensemble_compares_by_its_scores():
    assert asyncio.run(compare(Ensemble(table([0.2, 0.4], [0.8, 0.9])), PROBLEM, Sample("0"), Sample("1"))) == 0.0


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="by 'median'"):
        Ensemble(table([0.5]), how="median")
    with pytest.raises(InputError, match="at least one"):
        Ensemble(())
