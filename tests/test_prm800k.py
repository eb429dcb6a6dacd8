"""PRM800K's published format: chains, alternatives, neutral steps, what people wrote, broken problems."""

import json

import pytest

from ponder.errors import InputError
from ponder.train.prm800k import read


def step(*rated, chosen=0, human=None):
    completions = [{"text": text, "rating": rating, "flagged": None} for text, rating in rated]
    return {"completions": completions, "human_completion": human, "chosen_completion": chosen}


def file(tmp_path, *lines):
    path = tmp_path / "phase.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def line(*steps, ended="solution"):
    return {"question": {"problem": "q"}, "label": {"steps": list(steps), "finish_reason": ended}}


def test_a_line_gives_its_chain_and_each_alternative_behind_what_came_before(tmp_path):
    solved = line(step(("a", 1)), step(("b", 0), ("x", -1), ("y", None)), step(("c", 1)))
    assert [(row["prompt"], row["completions"], row["labels"]) for row in read(file(tmp_path, solved))] == [
        ("q", ["a", "x"], [True, False]),
        ("q", ["a", "b", "c"], [True, True, True]),
    ]


def test_a_neutral_step_may_count_as_wrong(tmp_path):
    rows = read(file(tmp_path, line(step(("a", 1)), step(("b", 0)), step(("c", 1)))), neutral=False)
    assert [(row["completions"], row["labels"]) for row in rows] == [(["a", "b"], [True, False])]


def test_an_error_ends_the_chain_and_so_does_the_last_step_of_which_none_was_chosen(tmp_path):
    wrong = line(step(("a", 1)), step(("x", -1)), step(("c", 1)))
    none = line(step(("a", 1)), step(("x", -1), ("z", -1), chosen=None), ended="found_error")
    assert [row["completions"] for row in read(file(tmp_path, wrong, none))] == [["a", "x"], ["a", "x"], ["a", "z"], ["a"]]


def test_what_people_wrote_is_right_and_broken_problems_are_left_out(tmp_path):
    written = line(step(("x", -1), chosen=None, human={"text": "h", "rating": None}), step(("b", 1)))
    rows = read(file(tmp_path, line(step(("a", 1)), ended="bad_problem"), written))
    assert [(row["completions"], row["labels"]) for row in rows] == [(["x"], [False]), (["h", "b"], [True, True])]


def test_another_format_is_named_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"phase.jsonl:2: no line of PRM800K"):
        read(file(tmp_path, line(step(("a", 1))), {"question": {}}))
