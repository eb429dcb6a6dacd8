"""AB-MCTS-A: who learns of a score, when it goes wide and when deep, and what it draws."""

from collections import Counter
from contextlib import suppress
from random import Random
from statistics import fmean

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.budget import Budget
from ponder.errors import BudgetExhausted, InputError, ModelError, VerifierError
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.strategies.ab_mcts import Adaptive, aggregated, mixed
from ponder.tasks.simulated import problems
from ponder.thompson import beta, gaussian
from ponder.tree import lineage
from ponder.types import Abilities, Score
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

ONE_BY_ONE = Abilities(continues=True, usage=True)
PROBLEM = problems(1)[0]
MODELS = {"gaussian": aggregated(gaussian()), "beta": aggregated(beta()), "mixed": mixed}
EACH = pytest.mark.parametrize("descend", MODELS.values(), ids=MODELS)


def prm(model, **settings):
    return Process(model.chance, **settings)


def grown(nodes, score, descend=MODELS["gaussian"], seed=0):
    """A tree of so many nodes; `score(parent's score or None, rng)` is the score of a new one."""
    adaptive, scores, rng = Adaptive(descend, Random(seed)), [None], Random(seed + 1)
    for _ in range(nodes):
        parent = adaptive.choose()
        scores.append(score(scores[parent], rng))
        adaptive.add(parent, scores[-1])
    return adaptive, scores


def depths(adaptive):
    return [sum(1 for _ in lineage(adaptive.tree, node)) - 1 for node in range(1, len(adaptive.tree))]


@EACH
def test_a_score_goes_to_its_parents_gen_and_to_every_ancestors_cont_and_child(descend):
    """GEN(n): the children's own scores; CONT(n): those of all nodes deeper below; arm of a child: its own and those below it."""
    adaptive, scores = grown(120, lambda parent, rng: rng.random(), descend)
    tree = adaptive.tree
    ancestors = [set(lineage(tree, node)) for node in range(len(tree))]
    for node, branches in enumerate(adaptive._branches):
        own = [scores[child] for child in tree.children[node]]
        deeper = [scores[one] for one in range(len(tree)) if one != node and node in ancestors[one] and tree.parent[one] != node]
        for moments, expected in ((branches.fresh, own), (branches.deeper, deeper)):
            assert moments.count == len(expected)
            assert moments.mean == pytest.approx(fmean(expected) if expected else 0.0)
        for arm, child in enumerate(tree.children[node]):
            assert branches.arms.seen[arm].count == sum(child in line for line in ancestors)
    assert tree.visits[0] == 120


@pytest.mark.parametrize("descend", [MODELS["gaussian"], MODELS["beta"]], ids=["gaussian", "beta"])
def test_with_useless_refinement_it_degenerates_to_repeated_sampling(descend):
    adaptive, _ = grown(200, lambda parent, rng: rng.random() if parent is None else 0.0, descend)
    assert len(adaptive.tree.children[0]) > 180
    assert fmean(depths(adaptive)) < 1.1


@EACH
def test_with_refinement_that_always_helps_it_goes_deep(descend):
    adaptive, _ = grown(200, lambda parent, rng: 0.1 if parent is None else parent + 0.1 * (1 - parent), descend)
    assert len(adaptive.tree.children[0]) < 40
    assert fmean(depths(adaptive)) > 2


def test_the_same_seed_grows_the_same_tree_and_another_one_another():
    trees = [grown(60, lambda parent, rng: rng.random(), seed=seed)[0].tree.parent for seed in (1, 1, 2)]
    assert trees[0] == trees[1] != trees[2]


def test_deeper_pays_where_revisions_mend_and_the_model_is_shown_its_own_answer():
    """One sample is right with p = .1, a revision mends with .6: 24 draws solve every problem, and some are revisions."""
    model = Simulated(accuracy=0.1, fixes=0.6)
    answers = [solve_sync(one, model=model, strategy="ab-mcts", verifier=prm(model, floor=0.1), n=24) for one in problems(8)]
    assert [answer.answer for answer in answers] == [problem.reference for problem in problems(8)]
    drawn = [event for answer in answers for event in answer.trace.events if event.kind == "drawn"]
    assert len(drawn) == 8 * 24
    assert any(event.parent is not None for event in drawn)


def test_equal_versions_are_revised_by_draws_of_their_own():
    """Every revision of the one right answer asks the same; each is a new draw, and n candidates are n samples."""
    model = Simulated(accuracy=1.0, steps=1, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="ab-mcts", verifier=prm(model), n=20)
    assert len(answer.candidates) == model.tally.calls == 20
    drawn = [(event.data["index"], event.data["usage"]["prompt"]) for event in answer.trace.events if event.kind == "drawn"]
    fresh = [index for index, prompt in drawn if prompt == len(PROBLEM.question.split())]
    assert sorted(fresh) == list(range(len(fresh)))


def test_what_cannot_be_judged_enters_no_posterior():
    mute = Check("mute", "nothing", lambda problem, text: Score(None, error="no idea"))
    with pytest.raises(VerifierError, match="could judge none of 6 candidates; the first because: no idea"):
        solve_sync(PROBLEM, model=Simulated(), strategy="ab-mcts", verifier=mute, n=6)


def test_it_outlives_failing_draws_and_says_so_when_all_fail():
    shaky = Simulated(faults={"refuse": 0.3}, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=shaky, strategy="ab-mcts", verifier=prm(shaky), n=20)
    assert 5 < len(answer.candidates) < 20
    dead = Simulated(faults={"refuse": 1.0})
    with pytest.raises(ModelError, match=r"all 8 draws from `simulated` failed; the first because: .*refused"):
        solve_sync(PROBLEM, model=dead, strategy="ab-mcts", verifier=prm(dead), n=8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"posterior": "normal"}, "`posterior` is one of gaussian, beta, mixed"), ({"at_once": 0}, "`at_once` must be")],
)
def test_wrong_parameters_are_named_before_anything_is_spent(wrong, message):
    model = Simulated()
    with pytest.raises(InputError, match=message):
        solve_sync(PROBLEM, model=model, strategy="ab-mcts", verifier=prm(model), **wrong)
    assert model.tally.calls == 0


def test_at_the_limit_the_best_so_far_is_returned():
    model = Simulated(abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="ab-mcts", verifier=prm(model), budget="600", max_tokens=40)
    assert answer.stopped == "budget"
    assert answer.candidates
    assert answer.cost.tokens <= 600


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    tokens=st.none() | st.integers(1, 600),
    calls=st.none() | st.integers(1, 30),
    max_tokens=st.integers(1, 60),
    at_once=st.integers(1, 8),
    faults=st.dictionaries(st.sampled_from(("refuse", "break", "cut", "silent")), st.sampled_from((0.05, 0.2)), max_size=3),
    seed=st.integers(0, 10_000),
)
def test_a_budget_is_never_exceeded(tokens, calls, max_tokens, at_once, faults, seed):
    model = Simulated(seed=seed, steps=2, faults=faults, abilities=ONE_BY_ONE)
    asked = {"model": model, "verifier": prm(model), "budget": Budget(tokens, None, None, calls), "max_tokens": max_tokens}
    with suppress(BudgetExhausted, ModelError, VerifierError):
        solve_sync(problems(1, seed)[0], strategy="ab-mcts", n=12, at_once=at_once, seed=seed, **asked)
    assert tokens is None or model.tally.usage.computed <= tokens
    assert calls is None or model.tally.usage.calls <= calls


def acted(answer):
    return Counter(event.data["model"] for event in answer.trace.events if event.kind == "acted")


@pytest.mark.parametrize("posterior", ["gaussian", "beta", "mixed"])
def test_of_several_models_the_better_one_gets_most_draws(posterior):
    """Models right with p = .05, .9 and .05: Thompson sampling over all scores of each; an unseen one is tried too."""
    weak, strong = "simulated:accuracy=.05,seed=1", "simulated:accuracy=.9"
    exact = Check("exact", "nothing", lambda problem, text: Score(float(text.split()[-1] == problem.question.split()[-1])))
    model = Simulated(accuracy=0.05)
    answer = solve_sync(
        PROBLEM, model=model, strategy="ab-mcts", verifier=exact, n=60, posterior=posterior, also=f"{weak}+{strong}"
    )
    shares = acted(answer)
    assert shares.keys() == {"simulated", weak, strong}
    assert sum(shares.values()) == 60
    assert shares[strong] > 30
    assert model.tally.calls == shares["simulated"]
    assert answer.answer == PROBLEM.reference


def test_one_model_draws_as_it_would_alone():
    """No choice, no random number for it: `also` without a name changes nothing."""
    model = Simulated()
    answer = solve_sync(PROBLEM, model=model, strategy="ab-mcts", verifier=prm(model), n=12)
    assert acted(answer) == {"simulated": 12}


def test_another_model_is_opened_by_its_name_or_named():
    with pytest.raises(InputError, match="there is no model called `nobody`"):
        solve_sync(PROBLEM, model=Simulated(), strategy="ab-mcts", verifier=prm(Simulated()), also="nobody")
    with pytest.raises(InputError, match="`also` names `simulated`, which draws already"):
        solve_sync(PROBLEM, model=Simulated(), strategy="ab-mcts", verifier=prm(Simulated()), also="simulated")
