"""Laws: constants recovered from their own curves, extrapolation, and data that hold no law."""

import numpy as np
import pytest

from ponder.lab.laws import compared, fit
from ponder.lab.statistics import pass_at_k

KS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]


@pytest.mark.parametrize(("a", "b"), [(-3.3, -0.33), (-0.2, -1.2), (-8.0, -0.1)])
def test_a_curve_of_the_law_gives_its_constants_back(a: float, b: float) -> None:
    curve = np.exp(a * np.power(np.array(KS, float), b))
    found = fit(KS, curve)
    assert (found.a, found.b) == (pytest.approx(a, rel=1e-4), pytest.approx(b, rel=1e-4))
    assert found.predict(1_000) == pytest.approx(np.exp(a * 1_000**b), abs=1e-4)
    assert found.heldout_error == pytest.approx(0, abs=1e-4)
    assert found.fitted_to == 10
    assert found.a_interval is None


def test_log_linear_gives_its_constants_back_and_is_the_worse_law_for_coverage() -> None:
    curve = 0.1 + 0.05 * np.log(np.array(KS, float))
    found = fit(KS, curve, law="log-linear")
    assert (found.a, found.b) == (pytest.approx(0.1), pytest.approx(0.05))
    assert found.predict(100) == pytest.approx(0.1 + 0.05 * np.log(100))
    coverage = np.exp(-3.0 * np.power(np.array(KS, float), -0.4))
    power, line = fit(KS, coverage), fit(KS, coverage, law="log-linear")
    assert power.heldout_error is not None
    assert line.heldout_error is not None
    assert power.heldout_error < line.heldout_error / 10


def test_a_heavy_tail_of_easy_rates_makes_a_power_law() -> None:
    """p ~ Beta(α, β): E(1-p)^k = B(α, β+k) / B(α, β) ~ k^-α, so -ln c ~ k^-α far out, though each problem alone is exponential."""
    from scipy.special import betaln

    ks = np.array([1_000, 2_000, 4_000, 8_000, 16_000])
    curve = 1 - np.exp(betaln(0.3, 3.0 + ks) - betaln(0.3, 3.0))
    assert fit(ks.tolist(), curve).b == pytest.approx(-0.3, abs=0.03)


def test_intervals_hold_the_constants_of_all_problems() -> None:
    generator = np.random.default_rng(1)
    counts = generator.binomial(100, generator.beta(0.4, 3.0, 150))
    found = fit(KS, pass_at_k(100, counts, KS), resamples=60)
    assert found.a is not None
    assert found.b is not None
    assert found.a_interval is not None
    assert found.b_interval is not None
    assert found.a_interval[0] < found.a < found.a_interval[1]
    assert found.b_interval[0] < found.b < found.b_interval[1] < 0
    assert found == fit(KS, pass_at_k(100, counts, KS), resamples=60)


@pytest.mark.parametrize("law", ["exponentiated-power", "log-linear"])
@pytest.mark.parametrize(
    ("ks", "curve", "words"),
    [([1, 2, 4], [0, 0, 0], "no problem"), ([1, 2, 4], [1, 1, 1], "every problem"), ([1, 2], [0.1, 0.2], "2 points")],
)
def test_data_without_a_law_give_a_reason(law: str, ks: list[int], curve: list[float], words: str) -> None:
    found = fit(ks, curve, law=law)
    assert found.reason is not None
    assert words in found.reason
    assert (found.a, found.b, found.predict(8)) == (None, None, None)


@pytest.mark.parametrize("curve", [[0.0, 0.0, 0.1, 0.4], [0.5, 1.0, 1.0, 1.0], [0.6, 0.6, 0.6, 0.6], [0.6, 0.4, 0.3, 0.2]])
def test_odd_curves_do_not_crash(curve: list[float]) -> None:
    found = fit([1, 2, 4, 8], np.tile(curve, (5, 1)), resamples=10)
    assert found.reason is not None or found.error is not None


def test_a_saturating_curve_gives_its_limit_back_and_is_told_to_have_stopped() -> None:
    curve = 0.62 - 0.22 * np.power(np.array(KS, float), -1.1)
    found = fit(KS, curve, law="saturation")
    assert found.limit == pytest.approx(0.62, abs=1e-4)
    assert found.predict(10_000) == pytest.approx(0.62, abs=1e-3)
    assert found.reaches(0.6) == pytest.approx((0.22 / 0.02) ** (1 / 1.1), rel=1e-3)
    assert found.reaches(0.63) is None


def test_the_beta_mixture_gives_its_constants_back() -> None:
    from scipy.special import betaln

    ks = np.array(KS, float)
    found = fit(KS, 1 - np.exp(betaln(0.4, 3.0 + ks) - betaln(0.4, 3.0)), law="beta-mixture")
    assert (found.a, found.b) == (pytest.approx(0.4, rel=1e-4), pytest.approx(3.0, rel=1e-4))


def test_log_odds_in_flops_give_their_constants_back() -> None:
    flops = np.logspace(12, 16, 9)
    found = fit(flops.tolist(), 1 / (1 + np.exp(-(-20 + 0.6 * np.log(flops)))), law="log-odds")
    assert (found.a, found.b) == (pytest.approx(-20, rel=1e-3), pytest.approx(0.6, rel=1e-3))


def test_laws_are_chosen_by_the_unseen_half_and_doubt_is_said() -> None:
    """Beta rates of 400 problems × 200 samples choose their law; six problems cannot tell."""
    generator = np.random.default_rng(1)
    curves = pass_at_k(200, generator.binomial(200, generator.beta(0.4, 3.0, 400)), KS)
    found = compared(KS, curves)
    assert found.best is not None
    assert found.best.law == "beta-mixture"
    assert found.growth == "growing"
    few = compared(KS, curves[:6])
    assert few.warning is not None
    noise = generator.normal(0, 0.01, (400, len(KS)))
    flat = compared(KS, 0.5 - 0.1 * np.power(np.array(KS, float), -2) + noise, ("saturation", "log-linear"))
    assert flat.growth == "stopped"
    assert flat.best is not None
    assert flat.best.law == "saturation"
