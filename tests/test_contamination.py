"""Contamination: runs of words by hand, and what the built-in reasoner's training shares with its test sets."""

import json
from itertools import chain
from pathlib import Path

import pytest

from ponder import tasks
from ponder.errors import InputError
from ponder.lab.contamination import Overlap, overlaps, runs, shipped, texts

LONG = "Natalia sold clips to 48 of her friends in April, and then she sold half as many in May."


def test_a_run_of_13_words_makes_a_problem_dirty_and_12_do_not() -> None:
    words = LONG.split()
    tests = {"gsm8k": [LONG, "Something else that nobody has ever read in any text before, at all, has it?"]}
    assert overlaps([f"so {' '.join(words[:12]).upper()} we go"], tests) == [Overlap("gsm8k", 2, (0,))], "a comma is a word"
    assert overlaps([" ".join(words[:11])], tests) == [Overlap("gsm8k", 2, ())]
    assert overlaps([], tests)[0].share == 0.0


def test_a_short_problem_counts_as_a_whole_and_signs_are_words() -> None:
    tests = {"short": ["What is 3-2?", "", "Use 3 7 8 8"]}
    assert overlaps(["what is 3+2? and what is 3 - 2 ?"], tests) == [Overlap("short", 3, (0,))]
    assert overlaps(["What is 3+2? Use 3 7 8"], tests) == [Overlap("short", 3, ())]
    assert list(runs("a b c", 2)) == [("a", "b"), ("b", "c")]
    with pytest.raises(InputError, match="at least one word"):
        overlaps([], tests, 0)


def test_training_texts_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": LONG, "n": 3, "answer": "72"}))
    (tmp_path / "b.txt").write_text("one\ntwo\n")
    found = list(chain(texts(tmp_path / "a.jsonl"), texts(tmp_path / "b.txt")))
    assert found == [f"{LONG}\n72", "one\n", "two\n"]


def test_the_training_of_the_built_in_reasoner_holds_none_of_its_test_problems() -> None:
    """`docs/contamination.md` has the table for more examples and all test sets; a training problem itself is found."""
    names = ("countdown-3", "countdown-4", "countdown-5", "arithmetic-4", "arithmetic-16")
    tests = {name: [one.question for one in tasks.get(name).load("test", 200)] for name in names}
    assert [len(one.dirty) for one in overlaps(shipped(3000), tests)] == [0] * len(names)
    own = [text.partition("\n")[0] for text in shipped(50)]
    assert overlaps(shipped(50), {"own": own}) == [Overlap("own", 50, tuple(range(50)))]
