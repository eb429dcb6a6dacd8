"""Sets to train on: TRL's columns, what is kept and what is left out, and the folder that a hub would show."""

import json

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.lab.bank import Bank
from ponder.tasks import get
from ponder.trace import Trace
from ponder.train import sets
from ponder.train.rewards import asked
from ponder.train.rollouts import Chain, Labelled
from ponder.types import Candidate, Sample, Usage

PROBLEMS = get("countdown-3").load("train", 4)


def attempt(number, right, text=None, tokens=10):
    problem = PROBLEMS[number]
    return sets.Attempt(problem, text or (problem.reference if right else "1+1=2"), float(right), tokens)


def test_a_banks_draws_become_attempts_without_those_that_failed():
    samples = [Sample("a", 0, usage=Usage(completion=3)), Sample("b", 1, error="broken"), Sample("c", 2)]
    bank = Bank(
        PROBLEMS[:1], [[Candidate(one, None) for one in samples]], np.array([[1.0, 0.0, 0.5]]), np.zeros((1, 3)), np.zeros((1, 3))
    )
    found = sets.from_bank(bank)
    assert [(one.text, one.grade, one.tokens) for one in found] == [("a", 1.0, 3), ("c", 0.5, None)]


def test_traces_give_whole_draws_and_the_answer():
    problem, trace = PROBLEMS[0], Trace()
    whole = {"role": "policy", "error": None, "finish_reason": "stop", "usage": {"completion": 7}}
    trace.record("started", problem=problem.id, question=problem.question)
    first = trace.record("drawn", text=problem.reference, **whole)
    trace.record("drawn", first, text="more", **whole)
    trace.record("drawn", text="yes", **whole | {"role": "judge"})
    trace.record("drawn", text="1+", **whole | {"finish_reason": "length"})
    trace.record("drawn", text="1+1=2", **whole | {"role": "replayed", "origin": "policy"})
    trace.record("answered", text=problem.reference)
    unknown = Trace()
    unknown.record("started", problem="x", question="What is love?")
    found = list(sets.from_traces([trace.line(), unknown.line()]))
    assert [(one.text, one.grade, one.tokens) for one in found] == [
        (problem.reference, 1, 7),
        ("1+1=2", 0, 7),
        (problem.reference, 1, None),
    ]
    assert len(sets.distinct(found)) == 2
    with pytest.raises(InputError, match="not a trace"):
        list(sets.from_traces(["{}"]))


def test_prompts_carry_the_problem_that_rewards_read():
    [row] = sets.prompts(PROBLEMS[:1])
    assert list(row) == ["prompt", "problem"]
    assert row["prompt"][-1] == {"role": "user", "content": PROBLEMS[0].question}
    assert (asked(row["problem"]), asked(row["problem"]).reference) == (PROBLEMS[0], PROBLEMS[0].reference)


def test_rejection_sampling_keeps_distinct_right_answers_the_earliest_or_the_shortest():
    drawn = [attempt(0, True, "a", 30), attempt(0, True, "a ", 30), attempt(0, True, "b", 10), attempt(0, False), attempt(1, False)]
    assert [row["completion"][0]["content"] for row in sets.tuning(drawn)] == ["a", "b"]
    assert [row["completion"][0]["content"] for row in sets.tuning(drawn, each=1)] == ["a"]
    assert [row["completion"][0]["content"] for row in sets.tuning(drawn, each=1, shortest=True)] == ["b"]


def test_preferences_pair_right_with_wrong_and_use_no_answer_twice():
    drawn = [attempt(0, True, "a"), attempt(0, True, "b"), attempt(0, False, "c"), attempt(1, True), attempt(2, False)]
    [row] = sets.preferences(drawn, each=5)
    assert list(row) == ["prompt", "chosen", "rejected"]
    assert (row["chosen"][0]["content"] in "ab", row["rejected"][0]["content"]) == (True, "c")


def test_verdicts_leave_out_what_could_not_be_graded():
    rows = sets.verdicts([attempt(0, True), attempt(0, False), sets.Attempt(PROBLEMS[1], "?", None)])
    assert [row["label"] for row in rows] == [True, False]


def test_what_is_always_or_never_solved_teaches_nothing():
    drawn = [attempt(number, right) for number, verdicts in enumerate(("1111", "0000", "0010")) for right in map(int, verdicts)]
    assert {one.problem.id for one in sets.teachable(drawn)} == {PROBLEMS[2].id}
    assert sets.teachable(drawn, first=2) == []


def test_steps_end_at_the_first_error():
    labelled = Labelled("q", (Chain(("a", "b", "c"), (0.5, 0.0, 0.0)), Chain(("a", "d"), (0.5, 1.0))))
    assert sets.stepwise([labelled]) == [
        {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]},
        {"prompt": "q", "completions": ["a", "d"], "labels": [True, True]},
    ]
    assert sets.stepwise([labelled], threshold=0.5)[0]["labels"] == [False]


def test_a_set_is_a_folder_with_a_card(tmp_path):
    rows = sets.tuning([attempt(0, True), attempt(1, True)])
    path = sets.write(rows, tmp_path, sets.Card("Countdown, solved", "Made by a test.", "None."))
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("---\npretty_name: Countdown, solved\nlicense: apache-2.0\n")
    assert "path: data/train.jsonl" in page
    assert "2 rows with the columns `prompt`, `completion`" in page
    assert "- n<1K\n" in page
    with pytest.raises(InputError, match="no rows"):
        sets.write([], tmp_path, sets.Card("x", "", ""))
    with pytest.raises(InputError, match="different columns"):
        sets.write([*rows, {"prompt": 1}], tmp_path, sets.Card("x", "", ""))


def test_the_hubs_library_reads_it(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs the extra `tasks`")
    sets.write(sets.prompts(PROBLEMS), tmp_path, sets.Card("Prompts", "Made by a test.", "None."))
    loaded = datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["prompt", "problem"]
    assert asked(loaded[1]["problem"]) == PROBLEMS[1]
