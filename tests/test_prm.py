"""Generative process reward models: what is asked, what is read, what it costs."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from math import exp, log
from pathlib import Path

import pytest

import ponder.models
from ponder import budget, trace
from ponder.budget import Budget
from ponder.errors import AbilityMissing, InputError
from ponder.models import catalog
from ponder.models.sample import sample
from ponder.models.simulated import ABLE
from ponder.strategies.draw import ask
from ponder.tasks import get, problem
from ponder.trace import Trace
from ponder.types import Abilities, Chunk, Message, Price, Problem, Request, Sample, Score, Usage
from ponder.verifiers import opened
from ponder.verifiers.prm import THOUGHT, Generative, inline, question, turns, whole

PUZZLE = problem("Use 3 7 8 8 to make 24")
STEPS = ("8-7=1 left 3 8 1", "8*3=24 left 1 24", "24*1=24")
SHIPPED = Path(ponder.models.__file__).with_name("mini-prm.gguf")


@dataclass(frozen=True)
class Marks:
    """A model that answers every request with `said`, with the given log-probability, and notes what it was asked."""

    said: str = "+"
    logprob: float = log(0.8)
    abilities: Abilities = ABLE
    asked: list[Request] = field(default_factory=list)
    name: str = "marks"
    fingerprint: str = "marks"
    price: Price | None = None
    parameters: int | None = None
    concurrency: int = 8

    def prompt_tokens(self, request: Request) -> int:
        return 10

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        self.asked.append(request)
        yield Chunk(self.said, token_ids=(1,), logprobs=(self.logprob,), finish_reason="length", usage=Usage(1, 10, 0, 1))

    async def close(self) -> None:
        pass


class Speaking(Marks):
    """Says it token by token in chunks of two, each but the mark at odds of one to a hundred, and would say more."""

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        said = f"{self.said}\n+-"
        for place in range(0, len(said), 2):
            tokens = tuple(said[place : place + 2])
            chances = tuple(self.logprob if at == len(self.said) - 1 else log(0.01) for at in range(place, place + len(tokens)))
            yield Chunk(
                "".join(tokens), token_ids=(1,) * len(tokens), logprobs=chances, tokens=tokens, usage=Usage(1, 10, 0, place + 2)
            )


def judged(verifier: Generative, *samples: Sample, asked: Problem = PUZZLE, limits: Budget | None = None) -> list[Score]:
    async def run() -> list[Score]:
        with trace.tracing(Trace()), budget.spending(limits or Budget()):
            return await verifier(asked, samples)

    return asyncio.run(run())


def test_each_step_is_judged_by_the_mark_after_its_prefix() -> None:
    model = Marks()
    [score] = judged(Generative(model), Sample("\n".join(STEPS)))
    assert [request.prefix for request in model.asked] == [
        "8-7=1 left 3 8 1 24 ",
        "8-7=1 left 3 8 1 24 +\n8*3=24 left 1 24 24 ",
        "8-7=1 left 3 8 1 24 +\n8*3=24 left 1 24 24 +\n24*1=24 24 ",
    ]
    assert {(one.max_tokens, one.temperature, one.logprobs) for one in model.asked} == {(THOUGHT, 0.0, True)}
    assert score.steps == pytest.approx((0.8, 0.8, 0.8))
    assert score.value == score.steps[-1]


@pytest.mark.parametrize(("said", "value"), [("+", 0.8), ("-", 0.2)])
def test_the_value_is_the_good_marks_probability_or_the_bad_marks_complement(said: str, value: float) -> None:
    [score] = judged(Generative(Marks(said)), Sample(STEPS[0]))
    assert score.value == pytest.approx(value)


@pytest.mark.parametrize(("said", "value"), [("8*3=24 left 1 24\n24*1=24\n24-24=0 +", 0.8), ("24-11=13 -", 0.2)])
def test_a_model_may_think_before_its_mark(said: str, value: float) -> None:
    """Its signs are no marks; the draw ends with the mark, wherever the model would go on."""
    [score] = judged(Generative(Speaking(said)), Sample(STEPS[0]))
    assert score.value == pytest.approx(value)


def test_a_thought_without_a_mark_is_no_judgement() -> None:
    [score] = judged(Generative(Marks("8*3=24 left 1 24")), Sample(STEPS[0]))
    assert score.value is None


def test_formats_that_do_not_think_ask_for_one_token() -> None:
    assert {ask(PUZZLE, STEPS).max_tokens for ask in (turns, question, whole)} == {1}


def test_another_word_is_no_judgement_and_is_quoted() -> None:
    [score] = judged(Generative(Marks("maybe")), Sample(STEPS[0]))
    assert score.value is None
    assert "'maybe'" in (score.error or "")


def test_a_prefix_is_judged_once_a_solve() -> None:
    model = Marks()
    judged(Generative(model), Sample("\n".join(STEPS)), Sample("\n".join(STEPS[:2])), Sample("\n".join([*STEPS[:2], "24-1=23"])))
    assert len(model.asked) == 4


def test_what_the_budget_refuses_is_unknown_and_the_rest_is_known() -> None:
    scores = judged(Generative(Marks()), *(Sample(f"{n}+1={n + 1}") for n in range(4)), limits=Budget(calls=2))
    assert sorted(score.value is None for score in scores) == [False, False, True, True]
    assert "budget" in next(score.error for score in scores if score.value is None)  # type: ignore[operator]


def test_failed_and_empty_draws_cannot_be_judged() -> None:
    failed, empty = judged(Generative(Marks()), Sample("", error="gone"), Sample(" \n"))
    assert (failed.value, empty.value) == (None, None)
    assert "gone" in (failed.error or "")


def test_an_outcome_model_reads_the_whole_in_one_draw() -> None:
    model = Marks()
    [score] = judged(Generative(model, whole, outcome=True), Sample("\n".join(STEPS)))
    assert len(model.asked) == 1
    assert score.steps == ()
    assert score.value == pytest.approx(0.8)


def test_without_log_probabilities_it_says_what_to_take() -> None:
    with pytest.raises(AbilityMissing, match="judge:MODEL"):
        judged(Generative(Marks(abilities=replace(ABLE, logprobs=False))), Sample(STEPS[0]))


def test_a_goal_that_is_no_number_is_not_told_again() -> None:
    sum_ = problem("compute left to right 12+7*3")
    assert inline(sum_, ["12+7=19"]).prefix == "12+7=19 "


def test_turns_end_with_the_step_to_judge() -> None:
    assert turns(PUZZLE, STEPS[:2]).messages == (
        Message("user", f"countdown 3 7 8 8 to 24 {STEPS[0]}"),
        Message("assistant", "+"),
        Message("user", STEPS[1]),
    )


def test_the_question_shows_the_steps_so_far_and_no_more() -> None:
    [message] = question(PUZZLE, STEPS[:2]).messages
    assert STEPS[1] in message.content
    assert STEPS[2] not in message.content


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the package has no mini-prm.gguf")
def test_the_shipped_model_tells_right_ends_from_wrong_ones() -> None:
    """On held-out problems: the chance that a right solution's last step has the higher value (docs/mini.md has the figure).

    It is opened by its path, as any that `ponder train prm` made.
    """

    async def run() -> list[tuple[float, float]]:
        task = get("countdown-4")
        assert task.verifier is not None
        found = []
        async with opened(f"prm:{SHIPPED}", task) as prm, catalog.opened("builtin:mini") as mini:
            assert prm is not None
            for asked in task.load("test", 16):
                with trace.tracing(Trace()):
                    samples = await sample(mini, ask(asked), 8)
                    scores, grades = await prm(asked, samples), await task.verifier(asked, samples)
                found += [(s.value, g.value) for s, g in zip(scores, grades, strict=True) if s.value is not None]
        return found  # type: ignore[return-value]  # the checker always knows

    pairs = asyncio.run(run())
    right, wrong = ([value for value, grade in pairs if grade == kind] for kind in (1.0, 0.0))
    assert len(pairs) > 120
    assert sum(good > bad for good in right for bad in wrong) > 0.95 * len(right) * len(wrong)


@pytest.mark.parametrize("spec", ["prn:builtin:mini", "prm:", "confidence:"])
def test_a_verifier_that_does_not_exist_is_named(spec: str) -> None:
    async def run() -> None:
        async with opened(spec, get("countdown-4")):
            pass

    with pytest.raises(InputError, match=r"before the colon stands one of"):
        asyncio.run(run())


def test_verifiers_by_name() -> None:
    async def names() -> list[str]:
        found = []
        for spec in ("task", "confidence:tail", "ensemble:veto(task,confidence:mean)", "orm:simulated", "prm/turns:simulated"):
            async with opened(spec, get("countdown-4")) as verifier:
                assert verifier is not None
                found.append(verifier.name)
        return found

    assert asyncio.run(names()) == [
        "countdown",
        "confidence:tail",
        "veto(countdown+confidence:mean)",
        "orm:simulated",
        "prm/turns:simulated",
    ]


def test_the_good_marks_log_probability_is_never_above_one() -> None:
    [score] = judged(Generative(Marks(logprob=1e-7)), Sample(STEPS[0]))
    assert score.value == exp(0.0)
