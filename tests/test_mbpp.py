"""MBPP: the published splits, reference solutions that pass, and completions in every usual shape."""

import asyncio
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.tasks.mbpp import SPLITS, mbpp, sanitized
from ponder.types import Problem, Sample, Score
from walls import bubblewrap


@pytest.fixture(autouse=True)
def located(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_DATA", str(data))


def graded(*asked: tuple[Problem, str]) -> list[Score]:
    async def judge() -> list[list[Score]]:
        assert mbpp.verifier is not None
        return await asyncio.gather(*(mbpp.verifier(problem, [Sample(text)]) for problem, text in asked))

    return [score for (score,) in asyncio.run(judge())]


def test_the_splits_are_the_published_ones() -> None:
    """500 for the test, 10 for the prompt, 90 for validation, 374 for training (Austin et al. 2021)."""
    assert {split: len(mbpp.load(split, None)) for split in SPLITS} == {"test": 500, "prompt": 10, "validation": 90, "train": 374}
    assert mbpp.load("test", 2)[0].id == "mbpp/11"


@bubblewrap
def test_reference_solutions_pass() -> None:
    """Every 60th of the 974, two with a set-up, a hidden builtin, a type as an argument; `runs/references.py` tries all."""
    everything = [problem for split in SPLITS for problem in mbpp.load(split, None)]
    chosen = everything[::60] + [one for one in everything if one.data["setup"]]
    chosen += [one for one in everything if one.id in ("mbpp/126", "mbpp/533")]
    found = graded(*((problem, problem.reference or "") for problem in chosen))
    assert {problem.id: score.error for problem, score in zip(chosen, found, strict=True) if score.value != 1.0} == {}
    assert len(chosen) == 21


@bubblewrap
def test_the_sanitized_set_has_its_own_words_tests_and_imports() -> None:
    """427 of the 974, by split as they are published on the hub; two references with and without an import in their tests."""
    everything = [problem for split in SPLITS for problem in sanitized.load(split, None)]
    assert [len(sanitized.load(split, None)) for split in SPLITS] == [257, 7, 43, 120]
    (importing, *_) = [one for one in everything if one.data["tests"][0].code.startswith("import math\n")]
    assert "import math" not in importing.question
    assert everything[0].id == "mbpp-sanitized/11"
    found = graded(*((problem, problem.reference or "") for problem in (importing, everything[0])))
    assert [score.value for score in found] == [1.0, 1.0]


@bubblewrap
def test_each_assertion_is_a_step() -> None:
    problem = mbpp.load("test", 2)[1]
    assert problem.id == "mbpp/12"
    (score,) = graded((problem, "def sort_matrix(M): return [[1, 1, 1], [1, 2, 3], [2, 4, 5]]"))
    assert (score.value, score.steps) == (0.0, (1.0, 0.0, 0.0))


def test_every_usual_shape_of_a_completion_is_the_same_program() -> None:
    problem = mbpp.load("test", 1)[0]
    code = problem.reference or ""
    shapes = [code, f"[BEGIN]\n{code}\n[DONE]\nmore", f"Sure:\n```python\n{code}\n```\nDone.", f"{code}\n[DONE]", f"```\n{code}"]
    programs = [problem.task.extract(problem, shape) for shape in shapes]
    assert len({mbpp.canonical(program or "") for program in programs}) == 1
    assert problem.task.extract(problem, "") is None


def test_the_prompt_is_the_published_one() -> None:
    problem = mbpp.load("test", 1)[0]
    assert problem.question.startswith(
        "You are an expert Python programmer, and here is your task: Write a python function to remove"
    )
    assert 'assert remove_Occ("hello","l") == "heo"' in problem.question
    assert problem.data["examples"] == problem.data["tests"], "what the prompt shows is what grades"


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split `dev`; its splits are test, prompt, validation, train"):
        mbpp.load("dev", 1)
