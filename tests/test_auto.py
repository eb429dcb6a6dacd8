"""The default strategy: what it plans from a policy, a budget and a clock, and what it does without a policy."""

from dataclasses import replace

import pytest

from ponder.errors import BudgetExhausted, InputError
from ponder.models.simulated import Simulated
from ponder.policy import latency
from ponder.policy import policy as policies
from ponder.policy.difficulty import Estimator, Term
from ponder.policy.latency import Profile
from ponder.solve import solve_sync
from ponder.tasks.simulated import problems, simulated
from ponder.types import Abilities, Price, Score
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Imperfect
from test_policy import choice, one_bin, policy

ONE_BY_ONE = Abilities(continues=True)
MODEL = Simulated(accuracy=0.5, wrong=3, abilities=ONE_BY_ONE)
PROBLEM = problems(1)[0]


def planned(answer):
    [event] = [event for event in answer.trace.events if event.kind == "planned"]
    return event.data


def drawn(answer):
    return [event for event in answer.trace.events if event.kind == "drawn"]


def solved(path=None, problem=PROBLEM, model=MODEL, **settings):
    if path is not None:
        settings["policy"] = str(path)
    return solve_sync(problem, model=model, strategy="auto", **settings)


@pytest.fixture
def tuned(tmp_path):
    def write(**changes):
        policy(**changes).write(tmp_path / "policy.json")
        return tmp_path / "policy.json"

    return write


@pytest.mark.parametrize(
    ("verifier", "strategy"),
    [
        (None, "adaptive-consistency"),
        (Check("exact", "nothing", lambda problem, text: Score(1.0)), "first-wins"),
        (Imperfect(simulated.verifier), "best-of-n"),
    ],
)
def test_without_a_policy_it_stops_early_and_says_that_there_is_none(verifier, strategy):
    plan = planned(solved(verifier=verifier))
    assert plan["strategy"] == strategy
    assert "no policy" in plan["why"]
    assert "ponder tune" in plan["why"]


def test_free_text_gets_one_sample():
    assert planned(solve_sync("Name a river.", model=MODEL))["strategy"] == "direct"


@pytest.mark.parametrize(("difficulty", "budget", "n"), [(0.1, 500, 2), (0.1, 5000, 4), (0.9, 500, 3), (0.9, 5000, 16)])
def test_the_choice_is_that_of_the_difficulty_and_the_budget(tuned, difficulty, budget, n):
    path = tuned(estimator=Estimator("oracle", known={PROBLEM.id: difficulty}))
    answer = solved(path, budget=str(budget))
    plan = planned(answer)
    assert (plan["strategy"], plan["parameters"], plan["difficulty"]) == ("self-consistency", {"n": n}, difficulty)
    assert plan["choice"]["budget"] == (1000 if budget == 5000 else 100)
    assert len(drawn(answer)) == n


def test_the_probes_samples_are_charged_once_and_are_the_first_of_the_answer(tuned):
    """4 to tell the difficulty, of which the strategy then draws 16: 16 are paid for."""
    path = tuned(estimator=Estimator("probe", 4, terms=(Term("agreement", 0.5, 0.1, -9.0),)))
    model = Simulated(accuracy=0.5, wrong=3, abilities=ONE_BY_ONE)
    answer = solved(path, model=model, problem=problems(3)[2], budget="100000")
    assert len(drawn(answer)) == planned(answer)["parameters"]["n"]
    assert model.tally.calls == len(drawn(answer)) == len(answer.candidates)


def test_a_budget_that_does_not_admit_the_probe_counts_as_hard_and_still_answers(tuned):
    path = tuned(estimator=Estimator("probe", 40))
    most = 700
    answer = solved(path, problem=problems(1)[0], budget=str(most))
    assert planned(answer)["difficulty"] is None
    assert planned(answer)["bin"] == (0.4, 1.0)
    assert answer.candidates
    with pytest.raises(BudgetExhausted):
        solved(path, budget="2")


@pytest.mark.parametrize(("effort", "n"), [("minimal", 3), ("medium", 3), ("", 16), ("high", 16), ("max", 16)])
def test_an_effort_says_what_to_spend_where_no_budget_does(tuned, effort, n):
    answer = solved(tuned(), effort=effort)
    assert planned(answer)["choice"]["budget"] is None
    assert planned(answer)["parameters"] == {"n": n}
    assert len(drawn(answer)) == n


def test_the_choices_temperature_is_taken_unless_the_user_has_said_another(tuned):
    """Tuned at the task's own temperature; the draws' seeds follow from the request, and so do the draws."""
    cold = replace(choice(1000, n=3), temperature=0.125)
    path = tuned(bins=(one_bin(cold),), evidence={"made": {"temperature": simulated.temperature}})
    texts = [
        [event.data["text"] for event in drawn(solved(path, budget="1000", **settings))]
        for settings in ({}, {"temperature": 0.5})
    ]  # fmt: skip
    plain = [
        [
            event.data["text"]
            for event in drawn(solve_sync(PROBLEM, model=MODEL, strategy="self-consistency(n=3)", temperature=heat))
        ]
        for heat in (0.125, 0.5)
    ]
    assert texts == plain
    assert texts[0] != texts[1]


def test_where_nothing_is_scarce_one_draw_goes_alone_and_later_ones_together(tmp_path):
    policy(bins=(one_bin(choice(100, "adaptive-consistency", n=16)),)).write(tmp_path / "policy.json")
    free, limited = planned(solved(tmp_path / "policy.json")), planned(solved(tmp_path / "policy.json", budget="10000"))
    assert (free["parameters"]["width"], free["parameters"]["ramp"]) == (4, 4)
    assert (limited["parameters"]["width"], limited["parameters"]["ramp"]) == (1, 0)


def test_with_both_the_effort_chooses_and_the_budget_limits(tuned):
    frugal, limited = (solved(tuned(), effort=effort, budget="300") for effort in ("minimal", "max"))
    assert (planned(frugal)["parameters"], planned(limited)["parameters"]) == ({"n": 3}, {"n": 16})
    assert limited.stopped == "budget"
    assert limited.cost.tokens <= 300


def test_dollars_are_tokens_at_the_models_price(tuned):
    priced = Simulated(accuracy=0.5, abilities=ONE_BY_ONE, price=Price(1e-6, 1e-6))
    assert planned(solved(tuned(), model=priced, budget="$0.0008"))["choice"]["budget"] == 100
    assert planned(solved(tuned(), model=priced, budget="$0.02"))["choice"]["budget"] == 1000


def test_against_the_clock_it_draws_side_by_side_and_for_tokens_one_by_one(tmp_path, monkeypatch):
    """--budget 10s chooses differently from --budget 10000: as many at once as the measured knee, and what the seconds buy."""
    monkeypatch.setattr(latency, "recall", lambda model: Profile(model.name, "here", "today", 64, (1, 2, 4, 8), (100, 100, 95, 50)))
    bins = (one_bin(choice(100, "adaptive-consistency", n=8), choice(10_000, "adaptive-consistency", n=16)),)
    policy(bins=bins).write(tmp_path / "policy.json")
    patient, hurried, rushed = (planned(solved(tmp_path / "policy.json", budget=budget)) for budget in ("10000", "30s", "2s"))
    assert (patient["parameters"]["width"], patient["choice"]["budget"]) == (1, 10_000)
    assert (hurried["parameters"]["width"], hurried["choice"]["budget"]) == (4, 10_000)
    assert (rushed["parameters"]["width"], rushed["choice"]["budget"]) == (4, 100)


def test_without_a_measured_speed_the_models_concurrency_is_the_width(tuned, monkeypatch):
    monkeypatch.setattr(latency, "recall", lambda model: None)
    assert planned(solved(budget="30s"))["parameters"]["width"] == MODEL.concurrency


def test_n_is_never_exceeded(tuned):
    assert len(drawn(solved(tuned(), n=2))) == 2


def test_a_choice_may_name_another_model(tuned):
    other = choice(100, n=2)
    answer = solved(tuned(bins=(one_bin(replace(other, model="builtin:mini")),)), max_tokens=20)
    assert len(drawn(answer)) == 2
    assert MODEL.name not in answer.text


def test_a_policy_for_something_else_is_refused(tuned):
    with pytest.raises(InputError, match=r"is for simulated, other, None, not for simulated, simulated, None"):
        solved(tuned(model="other"))
    with pytest.raises(InputError, match="there is no effort 'huge'; take one of minimal, low, medium, high, max"):
        solved(effort="huge")


def test_the_shipped_policy_is_followed():
    answer = solve_sync("Use 3 7 8 8 to make 24", strategy="auto", budget="2000")
    plan = planned(answer)
    assert plan["choice"]["strategy"] == plan["strategy"]
    assert (plan["difficulty"] is None) == (policies.shipped("countdown", "builtin:mini", "countdown").estimator is None)
