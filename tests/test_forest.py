"""Searches to look at: nodes below what they came from, what was returned, and limits that say what they left out."""

import asyncio

import numpy as np

from ponder.lab.bank import draw_bank
from ponder.lab.forest import NODES, TEXT, flat, grown, telling
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.tasks.simulated import problems, simulated
from ponder.trace import Event
from ponder.verifiers.simulated import Imperfect


def draw(number: int, parent: int | None, text: str, **more: object) -> Event:
    usage = {"calls": 1, "prompt": 4, "cached": 2, "completion": 3}
    data = {"role": "policy", "text": text, "usage": usage, "finish_reason": "stop", "error": None} | more
    return Event(number, "drawn", 0.0, parent, data)


def test_a_trace_becomes_a_tree_with_scores_visits_and_the_way_to_the_answer() -> None:
    events = [
        Event(0, "started", 0.0, None, {"problem": "p", "question": "why?"}),
        draw(1, None, "a\n"),
        draw(2, 1, "b"),
        draw(3, 1, "c", role="replayed", origin="policy"),
        draw(4, 3, "", error="broken"),
        draw(5, 2, "a verifier's own", role="verifier"),
        Event(6, "scored", 0.0, 2, {"value": 0.25}),
        Event(7, "pruned", 0.0, 2, {}),
        Event(8, "answered", 0.0, None, {"answer": "c", "text": "a c"}),
    ]
    tree = grown(events, "gold", True)
    assert [(node["id"], node["parent"], node["visits"], node["mark"]) for node in tree["nodes"]] == [
        (1, None, 4, "chosen"),
        (2, 1, 1, "pruned"),
        (3, 1, 2, "chosen"),
        (4, 3, 1, "failed"),
    ]
    assert [node["score"] for node in tree["nodes"]] == [None, 0.25, None, None]
    assert tree["nodes"][0]["tokens"] == 5
    assert (tree["question"], tree["answer"], tree["reference"], tree["right"], tree["left_out"]) == ("why?", "c", "gold", True, 0)


def test_a_real_search_hangs_together() -> None:
    answer = solve_sync(problems(1)[0], model=Simulated(steps=3), strategy="beam", verifier=Imperfect(simulated.verifier), beams=8)
    tree = grown(answer.trace.events)
    known = {node["id"] for node in tree["nodes"]}
    assert len(known) > 8
    assert all(node["parent"] in known | {None} for node in tree["nodes"])
    assert any(node["mark"] == "chosen" for node in tree["nodes"])
    roots = [node for node in tree["nodes"] if node["parent"] is None]
    assert sum(node["visits"] for node in roots) == len(known)


def test_what_is_too_much_is_cut_and_counted() -> None:
    events = [draw(number, None, "x" * (TEXT + 7)) for number in range(NODES + 5)]
    tree = grown([*events, Event(NODES + 5, "answered", 0.0, None, {"answer": "x", "text": "x"})])
    assert (len(tree["nodes"]), tree["left_out"]) == (NODES, 5)
    assert tree["nodes"][0]["text"].endswith("(7 more characters)")


def test_independent_samples_stand_side_by_side() -> None:
    bank = asyncio.run(draw_bank(problems(1), Simulated(accuracy=0.5), 4, verifier=Imperfect(simulated.verifier)))
    tree = flat(bank.problems[0], bank.candidates[0], bank.correct[0].tolist(), 2)
    assert [node["mark"] for node in tree["nodes"]] == [None, None, "chosen", None]
    assert [node["right"] for node in tree["nodes"]] == (bank.correct[0] >= 0.5).tolist()
    assert tree["right"] == bool(bank.correct[0, 2] >= 0.5)


def test_the_hardest_that_was_solved_and_the_easiest_that_was_not_are_shown() -> None:
    assert telling(np.array([1.0, 0.8, 0.1, 0.0]), np.array([0.9, 0.2, 0.3, 0.0])) == [1, 2]
    assert telling([1.0], [0.5]) == [0]
