"""MCTS over steps: which draws it makes, what it backs up, what it answers, and that a limit or a cancellation stops it."""

import asyncio
from contextlib import suppress
from functools import partial
from math import exp, sqrt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder import trace
from ponder.budget import Budget
from ponder.errors import AbilityMissing, BudgetExhausted, EndpointError, InputError, ModelError, VerifierError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.store import Store
from ponder.strategies.simulation import Search, by_agreement, by_verifier, most_visited
from ponder.strategies.steps import Path
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.tree import Tree, back_up, expand, lineage, puct, room, uct
from ponder.types import Abilities, Candidate, Chunk, Price, Sample, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

FAMILY = ("mcts", "mcts(value=rollout)", "mcts(rule=puct,widening=0.5,width=1,final=visits)", "alphamath", "rstar")
ONE_BY_ONE = Abilities(continues=True, usage=True)
PROBLEM = problems(1)[0]


def prm(model, **settings):
    return Process(model.chance, **settings)


def searched(simulations, at_once=1, width=3, model=None, values=None):
    """A search after so many simulations; `values` maps a path to its value instead of the process reward model."""
    model = model or Simulated(abilities=ONE_BY_ONE)
    verifier = prm(model) if values is None else Check("given", "nothing", lambda problem, text: Score(values(text)))
    search = Search(PROBLEM, model, partial(by_verifier, verifier, "last"), uct, partial(room, width=width))

    async def main():
        made = 0
        while made < simulations:
            made += await search.round(min(at_once, simulations - made))

    with trace.tracing(Trace()):
        asyncio.run(main())
    return search


@pytest.mark.parametrize("at_once", [1, 8])
def test_every_simulation_is_backed_up_once(at_once):
    """N(root) = simulations, W(node) = Σ of the scores at or below it, times visited; nothing stays held."""
    search = searched(60, at_once)
    tree = search.tree
    ended = [tree.visits[node] - sum(tree.visits[child] for child in tree.children[node]) for node in range(len(tree))]
    assert tree.visits[0] == sum(ended) == 60
    assert ended[0] == 0
    worth = [times * path.value if times else 0.0 for times, path in zip(ended, search.paths, strict=True)]
    for node in range(len(tree)):
        below = sum(worth[one] for one in range(len(tree)) if node in lineage(tree, one))
        assert tree.value[node] == pytest.approx(below)
    assert set(tree.held) == {0}


def test_ended_paths_are_visited_again_but_not_drawn_from():
    """With one step a solution has two draws; 3 x 3 ways make at most 3 + 9 draws, whatever the number of simulations."""
    model = Simulated(steps=1, abilities=ONE_BY_ONE)
    search = searched(100, model=model)
    assert model.tally.calls <= 12
    assert all(not search.tree.children[node] for node, path in enumerate(search.paths) if path.ended)
    assert max(search.tree.visits[node] for node, path in enumerate(search.paths) if path.ended) > 1


def test_a_step_drawn_again_strengthens_its_prior_and_does_not_stand_twice():
    """Σ of the children's draws = draws asked for; equal texts are one node. The answers of a sure model are all alike."""
    search = searched(60, model=Simulated(accuracy=1.0, steps=1, abilities=ONE_BY_ONE))
    for node, children in enumerate(search.tree.children):
        texts = [search.paths[child].text for child in children]
        assert len(set(texts)) == len(texts)
        assert sum(search.tree.drawn[child] for child in children) == search.tree.draws[node] == search.asked[node]
    assert max(search.tree.drawn) == 3


def test_simulations_at_once_are_drawn_together():
    search = searched(8, at_once=8, width=8)
    assert len(search.tree.children[0]) == 8
    alone = searched(8, at_once=1, width=8)
    assert [path.text for path in alone.paths] == [path.text for path in search.paths], "concurrency changes no draw"


def test_the_most_visited_way_ends_in_the_answer():
    """The way goes by the visits, not by the score."""
    search = Search(PROBLEM, Simulated(), None, uct, partial(room, width=2), tree=Tree(), paths=[Path()] * 5)
    one, two = expand(search.tree, 0), expand(search.tree, 0)
    three, four = expand(search.tree, one), expand(search.tree, one)
    for node in (three, three, four, two, two):
        back_up(search.tree, node, 0.5)
    search.finished = [(node, Candidate(Sample(str(node)), str(node), Score(node / 5))) for node in (two, three, four)]
    assert most_visited(search, str).answer == str(three)


def test_a_perfect_verifier_leads_to_the_right_answer_where_one_sample_seldom_does():
    """p = .2 a sample; with exact values of prefixes every problem is solved."""
    model = Simulated(accuracy=0.2)
    answers = [
        solve_sync(problem, model=model, strategy="mcts", verifier=prm(model, sigma=0.0, floor=0.0), simulations=120)
        for problem in problems(12)
    ]
    assert [answer.answer for answer in answers] == [problem.reference for problem in problems(12)]


def test_rollouts_need_no_verifier_of_unfinished_solutions():
    model = Simulated(accuracy=0.2)
    exact = Check("exact", "nothing", lambda problem, text: Score(float(text.split()[-1] == problem.question.split()[-1])))
    answer = solve_sync(PROBLEM, model=model, strategy="mcts(value=rollout)", verifier=exact)
    assert answer.answer == PROBLEM.reference


def test_agreement_is_the_share_of_all_solutions_so_far_with_the_answer():
    """The n-th solution's reward is k/n, where k of the first n solutions have its answer."""
    model = Simulated(accuracy=0.5, wrong=2, abilities=ONE_BY_ONE)
    search = Search(PROBLEM, model, by_agreement, uct, partial(room, width=3))

    async def main():
        for _ in range(40):
            await search.round(1)

    with trace.tracing(Trace()):
        asyncio.run(main())
    answers = [candidate.answer for _, candidate in search.finished]
    shares = [answers[: n + 1].count(answer) / (n + 1) for n, answer in enumerate(answers)]
    assert len(set(answers)) > 1
    assert [candidate.value for _, candidate in search.finished] == pytest.approx(shares)


def test_with_too_few_simulations_the_most_visited_path_is_brought_to_its_end():
    model = Simulated(steps=30, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="mcts", verifier=prm(model), simulations=4, max_tokens=1000)
    assert len(answer.candidates) == 1
    assert answer.answer is not None


def test_the_trace_is_the_tree():
    """Each drawn event continues its parent's text, so that from the events alone the solutions can be written down again."""
    model = Simulated()
    answer = solve_sync(PROBLEM, model=model, strategy="mcts", verifier=prm(model))
    drawn = {event.id: event for event in answer.trace.events if event.kind == "drawn"}

    def text(event):
        before = text(drawn[event.parent]) if event.parent is not None else ""
        return before + event.data["text"] + ("\n" if event.data["text"].startswith("step") else "")

    assert {one.sample.text for one in answer.candidates} <= {text(event) for event in drawn.values()}
    assert {event.parent for event in answer.trace.events if event.kind == "scored"} <= set(drawn)


@pytest.mark.parametrize("strategy", FAMILY)
def test_the_same_seed_gives_the_same_search_and_a_bank_gives_it_for_nothing(strategy, tmp_path):
    store = Store(tmp_path / "bank.sqlite")
    first, again = (
        solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model), store=store, simulations=24)
        for model in (Simulated(), Simulated(latency=0.0001))
    )
    assert set(again.usage) == {"replayed"}
    assert [one.sample.text for one in again.candidates] == [one.sample.text for one in first.candidates]
    store.close()


@pytest.mark.parametrize("strategy", FAMILY)
def test_searches_outlive_failing_draws_and_say_so_when_all_fail(strategy):
    shaky = Simulated(faults={"refuse": 0.2, "break": 0.1, "cut": 0.1}, abilities=ONE_BY_ONE)
    assert solve_sync(PROBLEM, model=shaky, strategy=strategy, verifier=prm(shaky)).candidates
    dead = Simulated(faults={"refuse": 1.0})
    with pytest.raises(ModelError, match=r"no path came to its end; the first that failed did so because: .*refused"):
        solve_sync(PROBLEM, model=dead, strategy=strategy, verifier=prm(dead))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("mcts(rule=ucb)", "`rule` is one of uct, puct"),
        ("mcts(value=guess)", "`value` is one of verifier, rollout, self"),
        ("mcts(final=first)", "`final` is one of visits, best, vote"),
        ("mcts(width=0)", "`width` must be above 0"),
        ("alphamath(simulations=0)", "`simulations` must be above 0"),
        ("rstar(simulations=0)", "`simulations` must be above 0"),
    ],
)
def test_wrong_parameters_are_named_before_anything_is_spent(strategy, message):
    model = Simulated()
    with pytest.raises(InputError, match=message):
        solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model))
    assert model.tally.calls == 0


def test_what_a_model_or_a_verifier_cannot_do_is_named():
    with pytest.raises(AbilityMissing, match="lacks the ability `continues`: `mcts`"):
        solve_sync(PROBLEM, model=Simulated(abilities=Abilities()), strategy="mcts", verifier=prm(Simulated()))
    with pytest.raises(VerifierError, match="cannot judge unfinished solutions: no line says `answer`; take one that can"):
        solve_sync(PROBLEM, model=Simulated(), strategy="mcts", verifier=PROBLEM.task.verifier)


@pytest.mark.parametrize("strategy", FAMILY)
def test_at_the_limit_the_best_so_far_is_returned(strategy):
    model = Simulated(abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model), budget="300", max_tokens=40)
    assert answer.stopped == "budget"
    assert answer.candidates
    assert answer.cost.tokens <= 300


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    strategy=st.sampled_from(FAMILY),
    tokens=st.none() | st.integers(1, 600),
    calls=st.none() | st.integers(1, 30),
    cents=st.none() | st.integers(1, 600),
    max_tokens=st.integers(1, 60),
    faults=st.dictionaries(st.sampled_from(("refuse", "break", "cut", "silent")), st.sampled_from((0.05, 0.2)), max_size=3),
    batched=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_a_budget_is_never_exceeded(strategy, tokens, calls, cents, max_tokens, faults, batched, seed):
    model = Simulated(seed=seed, steps=2, faults=faults, abilities=Abilities(continues=True, n=batched), price=Price(0.01, 0.01))
    limits = Budget(tokens, None if cents is None else cents / 100, None, calls)
    asked = {"model": model, "strategy": strategy, "verifier": prm(model), "budget": limits, "max_tokens": max_tokens}
    with suppress(BudgetExhausted, ModelError, VerifierError):
        asyncio.run(solve(problems(1, seed)[0], seed=seed, simulations=12, **asked))
    used = model.tally.usage
    assert tokens is None or used.computed <= tokens
    assert calls is None or used.calls <= calls
    assert cents is None or model.price.usd(used) <= cents / 100 + 1e-9


class Opinionated(Simulated):
    """Grades what it is shown by its true chance, and draws a lesson from what it is told is wrong; keeps what it was asked."""

    def __init__(self, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "asked", [])

    async def stream(self, request):
        said = request.messages[-1].content
        self.asked.append(request)
        if "# Rubric" in said:
            solution = said.partition("# Solution\n\n")[2].partition("\n\n# Rubric")[0]
            yield self._says(f"Grade: {10 * self.chance(PROBLEM, solution):.3f}")
        elif said.startswith("This solution is wrong"):
            yield self._says(f"Lesson {len(self.asked)}: take care.")
        else:
            async for chunk in super().stream(request):
                yield chunk

    def _says(self, text):
        return Chunk(text, token_ids=(1,), finish_reason="stop", usage=Usage(1, 1, 0, 1))


EXACT = Check("exact", "nothing", lambda problem, text: Score(float(text.split()[-1] == problem.question.split()[-1])))


def test_rap_solves_by_the_models_own_opinion_of_each_step():
    """p = .3 a sample, graded by the true chance: reward = useful^.5 confidence^.5, the confidence exp of the mean logprob."""
    model = Opinionated(accuracy=0.3)
    answer = solve_sync(PROBLEM, model=model, strategy="rap")
    assert answer.answer == PROBLEM.reference
    assert not answer.oracle
    assert answer.usage["judge"].calls > 10
    drawn = {event.id: event.data for event in answer.trace.events if event.kind == "drawn"}
    scored = [event for event in answer.trace.events if event.kind == "scored"]
    useful = {event.parent: event.data["value"] for event in scored if event.data["verifier"] == "judge:simulated"}
    rewards = {event.parent: event.data["value"] for event in scored if event.data["verifier"] == "confidence"}
    assert rewards.keys() == useful.keys()
    assert all(0 < reward < sqrt(useful[event]) or not useful[event] for event, reward in rewards.items())
    assert rewards.keys() <= drawn.keys()


def test_rap_without_log_probabilities_goes_by_opinion_alone():
    answer = solve_sync(PROBLEM, model=Opinionated(accuracy=0.3, abilities=ONE_BY_ONE), strategy="rap")
    assert answer.answer == PROBLEM.reference
    assert {event.data["verifier"] for event in answer.trace.events if event.kind == "scored"} == {"judge:simulated"}


def test_lats_tells_what_failures_taught_and_stops_at_a_reward_of_1():
    model = Opinionated(accuracy=0.02, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="lats", verifier=EXACT)
    policy = [request.messages[-1].content for request in model.asked if request.messages[-1].content.startswith("simulated")]
    lessons = [text.count("Lesson") for text in policy]
    assert lessons[0] == 0
    assert max(lessons) == 3, "the latest three"
    assert lessons == sorted(lessons)
    sure = Opinionated(accuracy=1.0, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=sure, strategy="lats", verifier=EXACT)
    assert answer.answer == PROBLEM.reference
    assert len([request for request in sure.asked if request.prefix or len(request.messages) == 1]) < 60
    assert max(candidate.value for candidate in answer.candidates) == 1


def test_lats_goes_on_without_a_lesson_that_could_not_be_drawn():
    class Unteachable(Opinionated):
        def _says(self, text):
            if text.startswith("Lesson"):
                raise EndpointError("busy", 503)
            return super()._says(text)

    model = Unteachable(accuracy=0.02, abilities=ONE_BY_ONE)
    assert solve_sync(PROBLEM, model=model, strategy="lats", verifier=EXACT, simulations=60).candidates


def test_the_last_step_within_the_depth_goes_to_the_end():
    model = Opinionated(steps=9, accuracy=0.5, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=model, strategy="rap(depth=3)")
    assert answer.candidates
    assert all(len(candidate.sample.text.splitlines()) == 10 for candidate in answer.candidates)
    assert max(request.prefix.count("\n") for request in model.asked) == 2


def test_a_models_own_opinion_is_a_value_for_unfinished_paths():
    model = Opinionated(accuracy=0.2)
    answer = solve_sync(PROBLEM, model=model, strategy="mcts(value=self)", verifier=EXACT)
    assert answer.answer == PROBLEM.reference
    assert {event.data["verifier"] for event in answer.trace.events if event.kind == "scored"} == {"exact", "judge:simulated"}


def test_alphamaths_prior_is_exp_of_the_mean_log_probability_of_the_step():
    model = Simulated(accuracy=0.4)
    search = Search(
        PROBLEM, model, partial(by_verifier, prm(model), "last"), partial(puct, c=1), partial(room, width=3), likely=True
    )

    async def main():
        for _ in range(12):
            await search.round(1)

    with trace.tracing(Trace()):
        asyncio.run(main())
    for node, path in enumerate(search.paths[1:], 1):
        line = path.text.splitlines()[-1]
        assert search.tree.likelihood[node] == pytest.approx(exp(model._logprob(PROBLEM.reference, line)))


def test_a_model_that_cannot_judge_itself_is_named():
    for strategy in ("rap", "lats"):
        with pytest.raises(VerifierError, match=r"`judge:simulated` cannot judge unfinished solutions: .*no verdict"):
            solve_sync(PROBLEM, model=Simulated(), strategy=strategy, verifier=EXACT)
