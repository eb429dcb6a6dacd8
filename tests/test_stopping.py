"""Rules that end a row of samples: their published tables, their laws by enumeration, and that no rule looks ahead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bernoulli, norm, uniform
from scipy.stats import beta as betalaw

from ponder.errors import InputError
from ponder.strategies import registry
from ponder.strategies.stopping import (
    beta,
    confident,
    dirichlet,
    expected_samples,
    reservation,
    reserve,
    reserve_normal,
    reserve_uniform,
    stops,
    window,
    wins,
)

RULES = [one.rule for one in registry.all().values() if one.rule is not None]


def unscored(n):
    return np.full(n, np.nan)


def row(*votes):
    """So many samples of each answer, the first answer's last."""
    return np.array([number for number in reversed(range(len(votes))) for _ in range(votes[number])])


def stopped(rule, classes, **settings):
    """Whether the rule stops after the last of these samples."""
    return bool(rule(classes, unscored(len(classes)), **settings)[-1])


@pytest.mark.parametrize("rule", [beta, dirichlet])
@pytest.mark.parametrize(
    ("confidence", "leads"),
    [
        (0.90, [3, 5, 6, 8, 9, 11, 12, 13, 15]),
        (0.95, [4, 6, 8, 9, 11, 12, 14, 15, 17]),
        (0.99, [6, 9, 11, 13, 14, 16, 18, 19, 21]),
    ],
)
def test_adaptive_consistency_stops_at_its_table(rule, confidence, leads):
    """The least v1 with 1 - I_.5(v1+1, v2+1) >= C, for v2 = 0 to 8; the Dirichlet rule is the same one for two answers."""
    for second, lead in enumerate(leads):
        found = next(v1 for v1 in range(second + 1, 40) if stopped(rule, row(v1, second), confidence=confidence))
        assert found == lead


@pytest.mark.parametrize(("votes", "sure"), [((4, 0), 0.96875), ((8, 1), 0.98926), ((9, 1), 0.99414), ((4, 4), 0.5)])
@pytest.mark.parametrize("rule", [beta, dirichlet])
def test_adaptive_consistency_is_as_sure_as_the_beta_law(rule, votes, sure):
    """(4,0) .96875, (8,1) .98926, (9,1) .99414, (4,4) .5."""
    assert stopped(rule, row(*votes), confidence=sure - 6e-6)
    assert not stopped(rule, row(*votes), confidence=sure + 6e-6)


@pytest.mark.parametrize("votes", [(3, 2, 1), (6, 1, 1, 1), (5, 3, 2, 1, 1), (10, 4, 4, 1, 1), (9, 8, 7, 6, 5)])
def test_the_dirichlet_rule_is_as_sure_as_samples_of_its_law(votes):
    """P(p1 is the greatest) of a Dirichlet law with v + 1, against 200,000 samples of it (deviation .0011)."""
    shares = np.random.default_rng(0).dirichlet(np.array(votes) + 1, 200_000)
    sure = (shares.argmax(axis=1) == 0).mean()
    assert stopped(dirichlet, row(*votes), confidence=sure - 0.005)
    assert not stopped(dirichlet, row(*votes), confidence=sure + 0.005)


@pytest.mark.parametrize("votes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("rule", [beta, dirichlet])
def test_a_probability_that_is_the_confidence_itself_is_enough(rule, votes):
    """Of v samples that agree, 1 - I_.5(v+1, 1) = 1 - 2**-(v+1)."""
    assert stopped(rule, row(votes), confidence=1 - 0.5 ** (votes + 1))


def test_more_rivals_make_the_dirichlet_rule_less_sure_and_only_five_answers_count():
    assert stopped(beta, row(6, 1, 1, 1), confidence=0.95)
    assert not stopped(dirichlet, row(6, 1, 1, 1), confidence=0.95)
    for confidence in np.linspace(0.4, 0.99, 60):
        five = stopped(dirichlet, row(5, 2, 1, 1, 1), confidence=confidence)
        assert stopped(dirichlet, row(5, 2, 1, 1, 1, 1, 1), confidence=confidence) == five


def test_samples_without_an_answer_stop_no_vote():
    nothing = np.full(40, -1)
    assert not beta(nothing, unscored(40), confidence=0.3).any()
    assert not dirichlet(nothing, unscored(40), confidence=0.3).any()
    assert not window(nothing, unscored(40)).any()
    assert stopped(beta, np.array([0, -1, 0, -1, 0, -1, 0]))


def test_another_belief_is_an_error_that_names_those_there_are():
    with pytest.raises(InputError, match="beta, dirichlet"):
        confident(row(1), unscored(1), rule="entropy")


@pytest.mark.parametrize(("shares", "samples"), [((1.0,), 5), ((0.9, 0.1), 8.461), ((0.5, 0.5), 32.262)])
def test_early_stopping_consistency_draws_its_expected_samples(shares, samples):
    """w [sum_{i < m-1} q (1-q)^i (i+1) + (1-q)^(m-1) m], q = sum p^w, w = 5, m = 8: 5, 8.461, 32.262; the rule draws as many."""
    assert expected_samples(shares) == pytest.approx(samples, abs=5e-4)
    chance, windows = sum(share**5 for share in shares), range(7)
    published = 5 * (sum(chance * (1 - chance) ** i * (i + 1) for i in windows) + (1 - chance) ** 7 * 8)
    assert expected_samples(shares) == pytest.approx(published)
    rows = np.random.default_rng(0).choice(len(shares), (4000, 40), p=shares)
    drawn = [next((end + 1 for end in np.flatnonzero(window(one, unscored(40)))), 40) for one in rows]
    assert np.mean(drawn) == pytest.approx(samples, abs=0.7)


def test_a_window_that_is_unanimous_for_a_wrong_answer_has_the_chance_of_its_law():
    """P(stopped by answer a) = p_a^w (1 - (1-q)^m) / q <= m p_a^w: the chance to stop on a wrong one."""
    shares, windows = (0.7, 0.3), 8
    rows = np.random.default_rng(1).choice(2, (20_000, 40), p=shares)
    ends = [(one, end) for one in rows if (found := np.flatnonzero(window(one, unscored(40)))).size for end in found[:1]]
    wrong = sum(one[end] == 1 for one, end in ends) / len(rows)
    chance = sum(share**5 for share in shares)
    law = 0.3**5 * (1 - (1 - chance) ** windows) / chance
    assert wrong == pytest.approx(law, abs=0.0025)
    assert law <= windows * 0.3**5


def test_windows_follow_one_another_and_end_where_they_end():
    classes = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert np.flatnonzero(window(classes, unscored(12))).tolist() == [9]
    assert np.flatnonzero(window(classes, unscored(12), window=1)).tolist() == list(range(12))
    with pytest.raises(InputError, match="not 0"):
        window(classes, unscored(12), window=0)


def test_the_first_wins_are_counted_by_their_scores():
    scores = np.array([0.2, np.nan, 1.0, 0.9, 1.0])
    assert wins(row(5), scores).tolist() == [False, False, True, True, True]
    assert wins(row(5), scores, k=2).tolist() == [False, False, False, False, True]
    assert wins(row(5), scores, k=2, threshold=0.9).tolist() == [False, False, False, True, True]


@given(
    classes=st.lists(st.integers(-1, 9), min_size=1, max_size=64),
    scores=st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=64, max_size=64),
    cut=st.integers(1, 64),
)
@pytest.mark.parametrize("rule", [*RULES, dirichlet], ids=lambda rule: rule.__name__)
def test_no_rule_looks_ahead(rule, classes, scores, cut):
    """What a rule says of a prefix is what it says of the whole there, so a live run ends where the recorded one does."""
    whole = rule(np.array(classes), np.array(scores[: len(classes)]))
    part = rule(np.array(classes[:cut]), np.array(scores[: len(classes)][:cut]))
    assert whole.shape == (len(classes),)
    assert part.tolist() == whole[:cut].tolist()


def test_how_many_samples_a_strategy_draws_is_read_from_a_recorded_row():
    adaptive = registry.get("adaptive-consistency")
    classes = np.zeros(64, int)
    assert stops(adaptive, {}, classes, unscored(64)) == 4
    assert stops(adaptive, {"confidence": 0.99, "width": 8}, classes, unscored(64)) == 6
    assert stops(adaptive, {"n": 3}, classes, unscored(64)) == 3
    assert stops(adaptive, {}, np.arange(64) % 2, unscored(64)) == 40
    assert stops(adaptive, {"n": 100}, np.arange(64) % 2, unscored(64)) == 64


def gain(values, law):
    """E[(X - value)+] of each value, by 50,000 quantiles of the law."""
    points = law.ppf((np.arange(50_000) + 0.5) / 50_000)
    above = np.append(np.cumsum(points[::-1])[::-1], 0.0)
    first = np.searchsorted(points, values, side="right")
    return (above[first] - (len(points) - first) * values) / len(points)


@pytest.mark.parametrize("cost", [0.005, 0.02, 0.125, 0.5, 0.6])
def test_the_reservation_value_of_a_uniform_score(cost):
    """X ~ U(0,1): z = 1 - sqrt(2c), and E[(X - z)+] = c."""
    value = reserve_uniform(cost)
    if cost <= 0.5:
        assert value == pytest.approx(1 - np.sqrt(2 * cost))
    assert gain(value, uniform) == pytest.approx(cost, rel=1e-4)


@pytest.mark.parametrize("cost", [0.0001, 0.02, 0.3, 2.0])
def test_the_reservation_value_of_a_normal_score(cost):
    """N(mu, sigma): sigma L((z - mu) / sigma) = c."""
    means, deviations = np.array([0.5, 0.2]), np.array([0.2, 1.0])
    for value, mean, deviation in zip(reserve_normal(cost, means, deviations), means, deviations, strict=True):
        u = (value - mean) / deviation
        assert deviation * (norm.pdf(u) - u * norm.sf(u)) == pytest.approx(cost, rel=1e-6)
    assert reserve_normal(cost, np.array([0.4]), np.array([0.0])) == pytest.approx(0.4 - cost)


def test_stopping_at_the_reservation_value_earns_it():
    """Weitzman: best - cost * samples is z in the mean; every other threshold and every fixed number of samples earns less."""
    cost, scores = 0.02, np.random.default_rng(0).random((4000, 64))

    def earned(ends):
        best = np.maximum.accumulate(scores, axis=1)[np.arange(len(ends)), ends]
        return (best - cost * (ends + 1)).mean()

    optimal = np.array([reservation(row(64), one, cost=cost, law="uniform").argmax() for one in scores])
    assert earned(optimal) == pytest.approx(reserve_uniform(cost), abs=0.006)
    assert max(earned((scores >= threshold).argmax(axis=1)) for threshold in (0.6, 0.95)) < earned(optimal) - 0.02
    assert max(earned(np.full(4000, n - 1)) for n in (1, 2, 4, 6, 8, 16, 64)) < earned(optimal) - 0.02


@pytest.mark.parametrize("law", [uniform(), betalaw(0.5, 3), betalaw(8, 2), bernoulli(0.1)])
def test_the_bound_for_any_law_stops_too_early_no_oftener_than_it_says(law):
    """At each i, E[(X - best)+] > (1 - best) (1 - (1 - C)^(1/i)) with probability <= 1 - C = .1."""
    for count in (1, 3, 10, 30):
        best = law.rvs((1500, count), random_state=0).max(axis=1)
        bound = (1 - best) * (1 - 0.1 ** (1 / count))
        assert reserve(0.05, np.array([count]), 0.9)[0] == pytest.approx(1 - 0.05 / (1 - 0.1 ** (1 / count)))
        assert (gain(best, law) > bound + 1e-9).mean() <= 0.1 + 0.025


def test_scores_that_are_unknown_are_passed_over_and_a_perfect_one_ends_it():
    scores = np.array([np.nan, 0.4, np.nan, 1.0, 0.2])
    assert reservation(row(5), scores).tolist() == [False, False, False, True, True]
    assert not reservation(row(5), scores[:3], cost=0.9, law="normal").any()
    assert not reservation(row(5), np.full(5, np.nan), cost=5.0).any()


@pytest.mark.parametrize("settings", [{"law": "cauchy"}, {"cost": 0.0}, {"cost": float("nan")}, {"confidence": 1.0}])
def test_a_reservation_value_that_means_nothing_is_an_error(settings):
    with pytest.raises(InputError, match="uniform, normal, any"):
        reservation(row(5), unscored(5), **settings)
