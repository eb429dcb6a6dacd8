"""Steps and continuations: cut at the separator, drawn together, never twice, charged once, and nothing left running."""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from ponder import trace
from ponder.budget import Budget
from ponder.errors import AbilityMissing, BudgetExhausted, InputError, ModelError, VerifierError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.store import Store
from ponder.strategies import registry
from ponder.strategies.steps import Leaves, Path, aggregated, draw_steps, score_paths
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Abilities, Chunk, Price, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

FAMILY = ("beam", "lookahead", "dvts", "rebase", "particles", "particles(corrected=true)", "particle-gibbs")
ONE_BY_ONE = Abilities(continues=True, usage=True)
PROBLEM = problems(1)[0]
HALF = Check("half", "nothing", lambda problem, text: Score(0.5))


def prm(model, **settings):
    return Process(model.chance, **settings)


def grow(model, paths, counts=1, rounds=1, problem=PROBLEM, **settings):
    """The paths after some rounds, inside one trace."""

    async def main():
        grown = paths
        for _ in range(rounds):
            grown = await draw_steps(problem, model, grown, counts, **settings)
        return grown

    with trace.tracing(Trace()):
        return asyncio.run(main())


class Written(Simulated):
    """A model that writes `text` from where the prefix ends in it, and counts the streams that are open at once."""

    def __init__(self, text, **settings):
        super().__init__(abilities=ONE_BY_ONE, **settings)
        object.__setattr__(self, "text", text)

    async def stream(self, request):
        self.tally.calls += 1
        rest = self.text[len(request.prefix) :]
        piece, found, _ = rest.partition(request.stop[0])
        yield Chunk(piece, token_ids=(1,), finish_reason="stop", stop=request.stop[0] if found else None, usage=Usage(1, 1, 0, 1))


class Watched(Simulated):
    """A simulated model that knows how many of its streams are open, and how many were at most."""

    def __init__(self, **settings):
        super().__init__(abilities=ONE_BY_ONE, **settings)
        object.__setattr__(self, "open", Counter())

    async def stream(self, request):
        self.open["now"] += 1
        self.open["most"] = max(self.open["most"], self.open["now"])
        try:
            async for chunk in super().stream(request):
                yield chunk
        finally:
            self.open["now"] -= 1


def test_steps_continue_the_models_own_text_to_its_end():
    model = Simulated(steps=3)
    [path] = grow(model, [Path()], rounds=4)
    assert path.ended
    assert not path.truncated
    assert "".join(path.steps) == path.text
    assert [step.split()[0] for step in path.steps] == ["step", "step", "step", "answer"]
    assert [step.endswith("\n") for step in path.steps] == [True, True, True, False]
    assert path.tokens == len(path.text.split()) == model.tally.completion


def test_drawn_whole_a_path_is_written_to_its_end():
    [path] = grow(Simulated(steps=3), [Path()], whole=True)
    assert path.ended
    assert path.text.splitlines()[-1].startswith("answer")


def test_children_stand_in_the_order_of_their_paths_and_a_count_of_none_gives_none():
    first, second, third = grow(Simulated(), [Path()], 3)
    grown = grow(Simulated(), [first, second, third], [2, 0, 1])
    assert [path.steps[0] for path in grown] == [first.text, first.text, third.text]


@pytest.mark.parametrize("able", [ONE_BY_ONE, Abilities(continues=True, n=True)], ids=["one by one", "n in a call"])
def test_equal_prefixes_never_share_a_draw(able):
    """Neither in one round, nor when copies of a path are grown again later: else resampling would give n copies of one sample."""
    model = Simulated(abilities=able)

    async def main():
        [root] = await draw_steps(PROBLEM, model, [Path()])
        copies = [root, replace(root, event=99), root]
        return [path.text for _ in range(3) for path in await draw_steps(PROBLEM, model, copies)]

    with trace.tracing(Trace()):
        texts = asyncio.run(main())
    assert len(set(texts)) == 9


def test_greedy_steps_are_alike_and_drawn_once():
    model = Simulated(abilities=ONE_BY_ONE)
    first, second = grow(model, [Path()], 2, temperature=0.0)
    assert first.text == second.text
    assert model.tally.calls == 1


def test_siblings_of_a_round_are_drawn_together_and_so_are_problems():
    model = Watched(latency=0.0005)
    grow(model, [Path()], 12)
    assert model.open["most"] == 12

    async def batch():
        verifier = prm(model)
        return await asyncio.gather(
            *(solve(one, model=model, strategy="beam", verifier=verifier, beams=4, width=2) for one in problems(8))
        )

    asyncio.run(batch())
    assert model.open["most"] == 32


@pytest.mark.parametrize("strategy", FAMILY)
def test_a_killed_search_runs_again_for_nothing(strategy, tmp_path):
    store = Store(tmp_path / "bank.sqlite")
    model = Simulated()
    first, again = (solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model), store=store) for _ in range(2))
    assert first.usage["policy"].computed > 0
    assert set(again.usage) == {"replayed"}
    assert [one.sample.text for one in again.candidates] == [one.sample.text for one in first.candidates]
    assert again.answer == first.answer
    store.close()


def test_the_trace_is_the_tree():
    """Each drawn event continues its parent's text: from the events alone the leaves can be written down again."""
    model = Simulated()
    answer = solve_sync(PROBLEM, model=model, strategy="beam", verifier=prm(model))
    drawn = {event.id: event for event in answer.trace.events if event.kind == "drawn"}

    def text(event):
        before = text(drawn[event.parent]) if event.parent is not None else ""
        return before + event.data["text"] + ("\n" if event.data["text"].startswith("step") else "")

    assert {one.sample.text for one in answer.candidates} <= {text(event) for event in drawn.values()}
    assert sum((Usage(**event.data["usage"]) for event in drawn.values()), Usage()) == model.tally.usage
    scored = [event.parent for event in answer.trace.events if event.kind == "scored"]
    assert sorted(scored) == sorted(drawn)
    assert {event.parent for event in answer.trace.events if event.kind == "pruned"} <= set(drawn)


def test_a_blank_line_belongs_to_the_step_after_it():
    [path] = grow(Written("\nstep 1\n\nstep 2\nend"), [Path()], rounds=3)
    assert path.steps == ("\nstep 1\n", "\nstep 2\n", "end")
    assert path.ended


def test_a_model_that_writes_only_separators_is_stopped():
    model = Written("\n" * 1000)
    [path] = grow(model, [Path()])
    assert (path.ended, path.truncated, path.steps) == (True, True, ())
    assert model.tally.calls == 4


def test_a_stop_of_the_tasks_own_ends_the_path():
    task = replace(PROBLEM.task, stop=("\n",))
    [path] = grow(Simulated(), [Path()], problem=replace(PROBLEM, task=task))
    assert (path.ended, path.truncated, len(path.steps)) == (True, False, 1)


def separated(step, **settings):
    task = replace(PROBLEM.task, step=step, **settings)
    return replace(PROBLEM, task=task)


@pytest.mark.parametrize("step", ["\n", re.compile(r"(?<=right|wrong)\s")], ids=["string", "expression"])
@pytest.mark.parametrize("able", [ONE_BY_ONE, replace(ONE_BY_ONE, names_stop=False)], ids=["named", "unnamed"])
def test_a_step_ends_alike_however_its_end_is_found(step, able):
    """A string at the engine or here, or an expression: one solution, cut at the same places."""
    model = Simulated(steps=3, abilities=able)
    [path] = grow(model, [Path()], rounds=4, problem=separated(step))
    assert [one.split()[0] for one in path.steps] == ["step", "step", "step", "answer"]
    assert [one[-1] for one in path.steps[:-1]] == ["\n"] * 3
    assert (path.ended, path.truncated, "".join(path.steps)) == (True, False, path.text)
    assert path.tokens == model.tally.completion


def test_an_unnamed_stop_without_which_every_step_would_look_like_an_ending():
    """An endpoint that says only `stop`: the solution still goes on, and its own end is still its end."""

    class Mute(Simulated):
        async def stream(self, request):
            async for chunk in super().stream(request):
                yield structs.replace(chunk, stop=None)

    [path] = grow(Mute(steps=3, abilities=replace(ONE_BY_ONE, names_stop=False)), [Path()], rounds=4)
    assert (len(path.steps), path.ended, path.truncated) == (4, True, False)


@pytest.mark.parametrize("silent", [False, True], ids=["counted", "uncounted"])
def test_a_step_of_so_many_tokens(silent):
    """Steps of 7, 7, ... tokens and a last one that the model ends; where the task's tokens end it, the path is truncated."""

    class Silent(Simulated):
        async def stream(self, request):
            async for chunk in super().stream(request):
                yield structs.replace(chunk, usage=None, token_ids=()) if silent else chunk

    def written(problem):
        path = Path()
        while not path.ended:
            [path] = grow(Silent(steps=3, abilities=ONE_BY_ONE), [path], problem=problem)
        return [len(step.split()) for step in path.steps], path.truncated

    sizes, truncated = written(separated(7))
    assert (sizes[:-1], truncated) == ([7] * (len(sizes) - 1), False)
    assert 0 < sizes[-1] <= 7
    assert written(separated(7, max_tokens=10)) == ([7, 3], True)


def test_where_nobody_counts_tokens_a_step_does_not_end_the_path():
    class Silent(Simulated):
        async def stream(self, request):
            async for chunk in super().stream(request):
                yield structs.replace(chunk, usage=None, token_ids=())

    [path] = grow(Silent(steps=3, abilities=ONE_BY_ONE), [Path()], rounds=4)
    assert (path.truncated, path.tokens, len(path.steps)) == (False, 0, 4)


def test_a_path_of_many_steps_keeps_within_the_tasks_tokens():
    """The reference implementation of REBASE counts only a node's own step, so that its limit never binds."""
    task = replace(PROBLEM.task, max_tokens=14)
    grown = grow(Simulated(steps=50), [Path()], [6], problem=replace(PROBLEM, task=task))
    for _ in range(4):
        grown = grow(Simulated(steps=50), [path for path in grown if not path.ended], problem=replace(PROBLEM, task=task))
        assert all(path.tokens <= 14 for path in grown)
        assert all(path.truncated == path.ended for path in grown)
    assert not grown


def test_a_failed_draw_keeps_its_place_and_is_no_candidate():
    model = Simulated(faults={"refuse": 0.5}, abilities=ONE_BY_ONE)
    grown = grow(model, [Path()], 30)
    failed = [path for path in grown if path.error is not None]
    assert len(grown) == 30
    assert 0 < len(failed) < 30
    assert all(path.ended and not path.text for path in failed)
    scored = asyncio.run(score_paths(HALF, PROBLEM, grown))
    assert len(Leaves(PROBLEM, HALF).offer(scored)) == 30 - len(failed)
    assert all((path.score is None) == (path.error is not None) for path in scored)


@pytest.mark.parametrize("strategy", FAMILY)
def test_searches_outlive_failing_draws_and_say_so_when_all_fail(strategy):
    shaky = Simulated(faults={"refuse": 0.2, "break": 0.1, "cut": 0.1}, abilities=ONE_BY_ONE)
    answer = solve_sync(PROBLEM, model=shaky, strategy=strategy, verifier=prm(shaky))
    assert answer.candidates
    dead = Simulated(faults={"refuse": 1.0})
    with pytest.raises(ModelError, match=r"no path came to its end; the first that failed did so because: .*refused"):
        solve_sync(PROBLEM, model=dead, strategy=strategy, verifier=prm(dead))


@pytest.mark.parametrize("strategy", FAMILY)
def test_a_model_that_cannot_continue_is_named_before_anything_is_spent(strategy):
    model = Simulated(abilities=Abilities())
    name = strategy.partition("(")[0]
    with pytest.raises(AbilityMissing, match=f"`simulated` lacks the ability `continues`: `{name}` .* take best-of-n"):
        solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model))
    assert model.tally.calls == 0


@pytest.mark.parametrize("strategy", FAMILY)
def test_a_verifier_of_finished_solutions_only_is_said_to_be_the_wrong_one(strategy):
    with pytest.raises(VerifierError, match="cannot judge unfinished solutions: no line says `answer`; take one that can"):
        solve_sync(PROBLEM, model=Simulated(), strategy=strategy, verifier=PROBLEM.task.verifier)


@pytest.mark.parametrize("strategy", FAMILY)
def test_wrong_parameters_are_named_before_anything_is_spent(strategy):
    model = Simulated()
    for wrong, message in (({"depth": 0}, "`depth` must be above 0"), ({"aggregate": "first"}, "last, min, prod, mean")):
        with pytest.raises(InputError, match=message):
            solve_sync(PROBLEM, model=model, strategy=strategy, verifier=prm(model), **wrong)
    assert model.tally.calls == 0


@pytest.mark.parametrize(
    ("how", "steps", "value"),
    [
        ("last", (0.5, 0.8, 0.4), 0.4),
        ("min", (0.5, 0.8, 0.4), 0.4),
        ("prod", (0.5, 0.8, 0.5), 0.2),
        ("mean", (0.5, 0.8, 0.2), 0.5),
        ("last", (None, 0.4), 0.4),
        ("min", (None, 0.4), None),
        ("prod", (), 0.9),
    ],
)
def test_steps_are_aggregated_as_asked(how, steps, value):
    """The reference implementation says how and always takes the last. An unknown step is no number."""
    assert aggregated(Score(0.9, steps), how).value == (None if value is None else pytest.approx(value))


def test_the_aggregate_asked_for_decides_the_search():
    """Steps of (.2, .9) and (.6, .7): the last prefers the first path, the least and the product the other."""
    values = {"a": (0.2, 0.9), "b": (0.6, 0.7)}

    async def judge(problem, samples):
        return [Score(values[(one.prefix + one.text)[0]][-1], values[(one.prefix + one.text)[0]]) for one in samples]

    verifier = type("Fixed", (), {"name": "fixed", "reads": "nothing", "__call__": staticmethod(judge)})()
    paths = [Path(f"{name}\nend", (f"{name}\n", "end")) for name in values]
    chosen = {
        how: max(asyncio.run(score_paths(verifier, PROBLEM, paths, how)), key=lambda path: path.value).text[0]
        for how in ("last", "min", "prod", "mean")
    }
    assert chosen == {"last": "a", "min": "b", "prod": "b", "mean": "b"}


@pytest.mark.parametrize("strategy", FAMILY)
def test_at_the_limit_the_search_narrows_and_the_vote_so_far_is_returned(strategy):
    model = Simulated(abilities=ONE_BY_ONE)
    limits = {"model": model, "strategy": strategy, "verifier": prm(model), "max_tokens": 40}
    answer = solve_sync(PROBLEM, budget="600", **limits)
    assert answer.stopped == "budget"
    assert answer.candidates
    assert answer.cost.tokens <= 600
    with pytest.raises(BudgetExhausted, match="budget of 30 tokens"):
        solve_sync(PROBLEM, budget="30", **limits)


@pytest.mark.parametrize("strategy", FAMILY)
def test_where_one_sample_fits_a_search_has_an_answer(strategy):
    """One ending, the prompt and max_tokens at most, is kept back in every round."""
    model = Simulated()
    prompt = len(PROBLEM.question.split())
    for tokens in (prompt + 60, prompt + 61, 90, 130, 170, 250, 400):
        answer = solve_sync(
            PROBLEM, model=model, strategy=strategy, verifier=prm(model), budget=Budget(tokens), max_tokens=60, seed=tokens
        )
        assert answer.stopped == "budget"
        assert answer.answer is not None
        assert answer.cost.tokens <= tokens


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    strategy=st.sampled_from(FAMILY),
    n=st.sampled_from((2, 4, 8)),
    tokens=st.none() | st.integers(1, 600),
    calls=st.none() | st.integers(1, 30),
    cents=st.none() | st.integers(1, 600),
    max_tokens=st.integers(1, 60),
    faults=st.dictionaries(st.sampled_from(("refuse", "break", "cut", "silent")), st.sampled_from((0.05, 0.2)), max_size=3),
    batched=st.booleans(),
    block=st.sampled_from((0, 4)),
    seed=st.integers(0, 10_000),
)
def test_a_budget_is_never_exceeded(strategy, n, tokens, calls, cents, max_tokens, faults, batched, block, seed):
    """Random searches, budgets and failures; the tokens are counted by the model itself."""
    able = Abilities(continues=True, n=batched)
    model = Simulated(seed=seed, steps=2, faults=faults, abilities=able, block=block, price=Price(0.01, 0.01))
    limits = Budget(tokens, None if cents is None else cents / 100, None, calls)
    width = {} if strategy.startswith(("rebase", "particle")) else {"width": 2}
    size = {"n": n} if not width else {"beams": n}
    asked = {"model": model, "strategy": strategy, "verifier": prm(model), "budget": limits, "max_tokens": max_tokens}
    with suppress(BudgetExhausted, ModelError, VerifierError):
        asyncio.run(solve(problems(1, seed)[0], seed=seed, **asked, **width, **size))
    used = model.tally.usage
    assert tokens is None or used.computed <= tokens
    assert calls is None or used.calls <= calls
    assert cents is None or model.price.usd(used) <= cents / 100 + 1e-9


def test_the_family_is_all_that_needs_continuations():
    ours = {name.partition("(")[0] for name in FAMILY}
    assert ours <= {name for name, one in registry.all().items() if "continues" in one.needs}
