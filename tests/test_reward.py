"""Reward models: what they are asked, how their numbers become scores, and who pays."""

import asyncio
from dataclasses import dataclass, field

import msgspec
import pytest

from ponder import budget
from ponder.budget import Budget
from ponder.errors import EndpointError
from ponder.models.simulated import Simulated
from ponder.solve import solve
from ponder.store import Store
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Chunk, Message, Sample, Usage
from ponder.verifiers.reward import Reward, judging, parted

[PROBLEM] = problems(1)


@dataclass(eq=False)
class Lengths:
    """A reward model for which short steps are good; `whole` makes it judge solutions."""

    whole: bool = False
    fails: bool = False
    asked: list = field(default_factory=list)
    name: str = "lengths"
    fingerprint: str = "lengths"
    abilities: Abilities = field(default_factory=Abilities)
    price: None = None
    parameters: None = None
    concurrency: int = 8

    def prompt_tokens(self, request):
        return sum(len(message.content.split()) for message in request.messages)

    async def stream(self, request):
        if self.fails:
            raise EndpointError("it is out")
        self.asked.append(request)
        values = [1 / len(step.split()) for step in parted(request)[1]]
        said = min(values) if self.whole else values
        yield Chunk(msgspec.json.encode(said).decode(), finish_reason="stop", usage=Usage(1, self.prompt_tokens(request)))

    async def close(self):
        pass


def judge(model, *samples):
    return asyncio.run(Reward(model)(PROBLEM, samples))


def test_a_process_model_values_every_step_and_the_last_is_the_value():
    [score] = judge(Lengths(), Sample("b b\nc c c c", prefix="a\n"))
    assert (score.value, score.steps) == (0.25, (1.0, 0.5, 0.25))


def test_an_outcome_model_values_the_solution():
    [score] = judge(Lengths(whole=True), Sample("a\nb b"))
    assert (score.value, score.steps) == (0.5, ())


def test_equal_solutions_are_judged_once_and_scores_keep_their_order():
    model = Lengths()
    samples = [Sample("a a"), Sample("b"), Sample("a", prefix="a "), Sample("", error="lost"), Sample(" \n")]
    scores = judge(model, *samples)
    assert [score.value for score in scores] == [0.5, 1.0, 0.5, None, None]
    assert ["lost" in (score.error or "") for score in scores] == [False, False, False, True, False]
    assert len(model.asked) == 2


def test_a_failed_call_is_no_score():
    [score] = judge(Lengths(fails=True), Sample("a"))
    assert (score.value, score.error) == (None, "it is out")


def test_the_request_holds_the_steps_and_asks_for_nothing_else():
    request = judging(PROBLEM, Sample("two\n", prefix="one\n\n"))
    assert request.messages[1:] == (Message("assistant", "one\n"), Message("assistant", "\ntwo\n"))
    assert parted(request) == (PROBLEM.messages, ["one\n", "\ntwo\n"])
    assert (request.max_tokens, request.temperature, request.prefix, request.seed) == (0, 0.0, "", 0)


def test_its_tokens_are_the_verifiers_and_a_store_replays_them(tmp_path):
    def spend(model):
        answer = asyncio.run(
            solve(PROBLEM, model=Simulated(), strategy="best-of-n", verifier=Reward(model), n=4, store=Store(tmp_path / "s"))
        )
        return answer, answer.usage.get("verifier", Usage())

    model = Lengths()
    answer, usage = spend(model)
    assert usage == Usage(4, sum(map(model.prompt_tokens, model.asked)))
    assert answer.cost.tokens == sum(one.computed for one in answer.usage.values())
    best = max(answer.candidates, key=lambda one: one.value)
    assert answer.text == best.sample.text
    assert spend(Lengths())[1] == Usage()


def test_what_the_budget_refuses_is_unknown():
    async def main():
        with budget.spending(Budget(tokens=8)) as meter:
            scores = await Reward(Lengths())(PROBLEM, [Sample("a"), Sample("b b"), Sample("c c c")])
            return [score.value for score in scores], meter.spent.tokens

    values, spent = asyncio.run(main())
    assert values == [1.0, None, None]
    assert spent == 4 <= 8


@pytest.mark.parametrize("name", ["beam", "rebase", "particles"])
def test_it_guides_a_search(name):
    answer = asyncio.run(solve(PROBLEM, model=Simulated(), strategy=name, verifier=Reward(Lengths())))
    assert answer.usage["verifier"].prompt > 0
    assert answer.candidates
