"""REBASE: places that add up, from the trace of real searches, and its two limits."""

import asyncio
from collections import Counter
from math import sqrt
from zlib import crc32

import pytest

from ponder.models.simulated import Simulated
from ponder.search import apportion, softmax
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Chunk, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process

ABLE = Abilities(continues=True, n=True)


class Ragged(Simulated):
    """A model whose solutions end after any number of steps: each draw goes on with a step or ends, by its seed."""

    async def stream(self, request):
        steps = request.prefix.count("\n")
        over = request.seed % 3 == 0 or "\n" not in request.stop
        text = f"answer {request.seed % 5}" if over else f"step {steps} {request.seed} right"
        yield Chunk(text, token_ids=(1,), finish_reason="stop", stop=None if over else "\n", usage=Usage(1, 1, 0, 1))


def rounds(answer):
    """Each round of a trace: the children that each scored, unfinished path got, beside its score."""
    drawn = {event.id: event for event in answer.trace.events if event.kind == "drawn"}
    value = {event.parent: event.data["value"] for event in answer.trace.events if event.kind == "scored"}
    depth: dict[int | None, int] = {None: 0}
    for event in drawn.values():
        depth[event.id] = depth[event.parent] + 1
    children = Counter(event.parent for event in drawn.values())
    ended = {event.id for event in drawn.values() if event.data["text"].startswith("answer")}
    return [
        [(value[path], children[path], path in ended) for path in drawn if depth[path] == level]
        for level in range(1, max(depth.values()) + 1)
    ]


def test_places_follow_the_rewards_and_add_up_to_what_the_finished_leave():
    """W_i = largest remainders of B softmax(R_i / T_b), and B = n - finished, in every round: sum W_i = B exactly."""
    model = Ragged(abilities=Abilities(continues=True))
    for problem in problems(5):
        judge = Check("judge", "nothing", lambda problem, text: Score(crc32(text.encode()) / 2**32))
        answer = solve_sync(problem, model=model, strategy="rebase", verifier=judge, n=13)
        left = 13
        for level in rounds(answer):
            assert len(level) == left
            left -= sum(ended for *_, ended in level)
            live = [(value, count) for value, count, ended in level if not ended]
            if live:
                places = apportion(left, softmax([value for value, _ in live], 0.2))
                assert [count for _, count in live] == places
                assert sum(places) == left
        assert len(answer.candidates) == 13


def test_the_balance_temperature_goes_from_greedy_to_uniform():
    """T_b -> infinity shares equally, T_b -> 0 gives all to the best."""
    model = Simulated(steps=3, abilities=Abilities(continues=True))
    judge = Check("judge", "nothing", lambda problem, text: Score(crc32(text.encode()) / 2**32))
    greedy, uniform = (
        rounds(solve_sync(problems(1)[0], model=model, strategy="rebase", verifier=judge, n=8, balance=balance))
        for balance in (1e-6, 1e9)
    )
    assert [sorted(count for _, count, _ in level) for level in greedy[:-1]] == [[0] * 7 + [8]] * 3
    assert all(count == 8 for level in greedy[:-1] for value, count, _ in level if value == max(level)[0])
    assert [[count for _, count, _ in level] for level in uniform[:-1]] == [[1] * 8] * 3


def test_with_a_perfect_prm_nearly_all_places_go_to_right_prefixes():
    """Right over wrong has the weight e^(1/.2) = 148: the search is lost only where a whole round is wrong, so (1 - h^n)^T."""
    model = Simulated(accuracy=0.05, steps=3, words=1, abilities=ABLE)
    verifier = Check("truth", "nothing", lambda problem, text: Score(float(model.chance(problem, text) > 0)))

    async def main():
        return await asyncio.gather(*(solve(one, model=model, strategy="rebase", verifier=verifier, n=4) for one in problems(200)))

    right = sum(answer.answer == one.reference for answer, one in zip(asyncio.run(main()), problems(200), strict=True)) / 200
    expected = (1 - (1 - 0.05 ** (1 / 3)) ** 4) ** 3
    assert right == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / 200))


def test_one_path_is_plain_sampling():
    """n = 1: right with probability p."""
    model = Simulated(accuracy=0.4, steps=3, words=1, abilities=ABLE)

    async def main():
        verifier = Process(model.chance)
        return await asyncio.gather(*(solve(one, model=model, strategy="rebase", verifier=verifier, n=1) for one in problems(300)))

    right = sum(answer.answer == one.reference for answer, one in zip(asyncio.run(main()), problems(300), strict=True)) / 300
    assert right == pytest.approx(0.4, abs=4 * sqrt(0.24 / 300))
