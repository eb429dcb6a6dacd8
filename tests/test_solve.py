"""solve: from words to an answer with a bill, the anytime answer, and the reference that never leaks."""

import asyncio
from dataclasses import replace

import pytest

import ponder
from ponder.errors import BudgetExhausted, InputError, ModelError, VerifierError
from ponder.models.simulated import Simulated
from ponder.solve import solve, solve_sync
from ponder.strategies import strategy
from ponder.strategies.draw import choose
from ponder.strategies.parallel import best
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Answer, Score
from ponder.verifiers.check import Check

ONE_BY_ONE = Abilities(continues=True, usage=True)


def test_the_package_shows_its_public_names_sorted():
    assert list(ponder.__all__) == sorted(ponder.__all__)
    assert all(getattr(ponder, name) is not None for name in ponder.__all__)
    public = {name for name in dir(ponder) if not name.startswith("_")} - {"annotations"}
    modules = {name for name in public if type(getattr(ponder, name)).__name__ == "module"}
    assert public - modules == {name for name in ponder.__all__ if not name.startswith("_")}


def test_words_become_a_problem_of_the_task_that_knows_them():
    answer = solve_sync("simulated problem 7", model=Simulated(accuracy=1.0), strategy="direct")
    assert (answer.answer, answer.stopped, answer.strategy, answer.model) == ("7", "done", "direct", "simulated")


def test_at_the_limit_the_best_so_far_is_returned_and_said_to_be():
    answer = solve_sync(problems(1)[0], model=Simulated(abilities=ONE_BY_ONE), strategy="self-consistency", n=64, budget="500")
    assert answer.stopped == "budget"
    assert 0 < len(answer.candidates) < 64
    assert answer.cost.tokens <= 500


def test_with_nothing_to_return_the_limit_is_an_error_that_says_what_to_do():
    with pytest.raises(BudgetExhausted, match=r"budget of 20 tokens .* raise --budget, or lower --max-tokens"):
        solve_sync(problems(1)[0], model=Simulated(), strategy="direct", budget="20")


def test_when_every_draw_fails_the_error_names_the_model_and_the_first_reason():
    with pytest.raises(ModelError, match="all 3 draws from `simulated` failed"):
        solve_sync(problems(1)[0], model=Simulated(faults={"refuse": 1.0}), strategy="self-consistency", n=3)


def test_the_same_seed_gives_the_same_answer_and_another_seed_other_samples():
    def texts(seed):
        answer = solve_sync(problems(1)[0], model=Simulated(), strategy="self-consistency", seed=seed)
        return [candidate.sample.text for candidate in answer.candidates]

    assert texts(1) == texts(1) != texts(2)


def test_a_strategy_never_sees_the_reference():
    seen = []

    @strategy("spy", paper="none", needs=("verifier",))
    async def spy(problem, model, verifier) -> Answer:
        seen.append(problem.reference)
        return await choose(problem, model, 4, best, verifier)

    answer = solve_sync(problems(1)[0], model=Simulated(), strategy=spy, verifier="task")
    assert seen == [None]
    assert answer.oracle, "the task's verifier reads the reference, so this choice is an oracle's"


def test_a_verifier_that_says_it_reads_nothing_cannot_see_the_reference():
    peek = Check("peek", "nothing", lambda problem, text: Score(float(problem.reference is not None)))
    answer = solve_sync(problems(1)[0], model=Simulated(), strategy="best-of-n", verifier=peek, n=2)
    assert [candidate.value for candidate in answer.candidates] == [0.0, 0.0]
    assert not answer.oracle


def test_hidden_tests_are_seen_only_by_a_verifier_that_reads_them():
    problem = replace(problems(1)[0], data={"tests": ("secret",), "entry": "f"})
    seen = {}

    def look(reads):
        def grade(problem, text):
            seen[reads] = sorted(problem.data)
            return Score(1.0)

        return Check("look", reads, grade)

    answers = [solve_sync(problem, model=Simulated(), strategy="best-of-n(n=1)", verifier=look(r)) for r in ("nothing", "tests")]
    assert seen == {"nothing": ["entry"], "tests": ["entry", "tests"]}
    assert [answer.oracle for answer in answers] == [False, True]


def test_a_verifier_that_cannot_tell_is_an_error_and_not_a_number():
    mute = Check("mute", "nothing", lambda problem, text: Score(None, error="no idea"))
    with pytest.raises(VerifierError, match="could judge none of 2 candidates; the first because: no idea"):
        solve_sync(problems(1)[0], model=Simulated(), strategy="best-of-n", verifier=mute, n=2)


def test_without_a_strategy_auto_chooses():
    answer = solve_sync(problems(1)[0], model=Simulated())
    assert answer.strategy == "auto"
    [planned] = [event for event in answer.trace.events if event.kind == "planned"]
    assert planned.data["strategy"] == "adaptive-consistency"


def test_sampling_settings_override_the_tasks():
    answer = solve_sync(problems(1)[0], model=Simulated(), strategy="direct", max_tokens=3)
    assert answer.candidates[0].sample.finish_reason == "length"
    assert answer.candidates[0].sample.usage.completion == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "best-off-n"}, "did you mean `best-of-n`"),
        ({"strategy": "best-of-n(m=3)", "verifier": "task"}, "no parameter `m`"),
        ({"strategy": "best-of-n(n=x)", "verifier": "task"}, "wants `n` to be int"),
        ({"strategy": "self-consistency", "n": 0}, "give 1 or more"),
        ({"strategy": "best-of-n"}, "needs a verifier"),
        ({"strategy": "best-of-n", "verifier": "exakt"}, "did you mean `exact`"),
        ({"strategy": "direct", "budget": "many"}, "cannot read the budget"),
        ({"strategy": "direct)"}, "cannot read the strategy"),
    ],
)
def test_wrong_input_is_named_with_what_to_do(settings, message):
    with pytest.raises(InputError, match=message):
        solve_sync(problems(1)[0], model=Simulated(), **settings)


def test_solve_sync_refuses_inside_an_event_loop():
    async def inside():
        solve_sync("simulated problem 1", model=Simulated())

    with pytest.raises(InputError, match=r"await ponder\.solve"):
        asyncio.run(inside())


def test_many_solves_share_one_model_and_one_loop():
    async def main():
        model = Simulated(abilities=ONE_BY_ONE, latency=0.0005)
        asked = [solve(problem, model=model, strategy="self-consistency", n=4, budget="2000") for problem in problems(12)]
        return await asyncio.gather(*asked)

    answers = asyncio.run(main())
    assert all(len(answer.candidates) == 4 for answer in answers)
    assert all(sum(c.sample.usage.computed for c in answer.candidates) == answer.cost.tokens for answer in answers)
