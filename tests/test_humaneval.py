"""HumanEval: reference solutions pass, recorded programs are graded as recorded, and completions are read in every usual shape."""

import asyncio
import gzip
import json
import re
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.tasks.humaneval import humaneval
from ponder.types import Problem, Sample, Score
from ponder.verifiers.code import code
from ponder.verifiers.sandbox import Asserts, tried
from walls import bubblewrap


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return humaneval.load("test", None)


def graded(*asked: tuple[Problem, str]) -> list[Score]:
    async def judge() -> list[list[Score]]:
        return await asyncio.gather(*(code(problem, [Sample(text)]) for problem, text in asked))

    return [score for (score,) in asyncio.run(judge())]


@bubblewrap
def test_reference_solutions_pass(problems: list[Problem]) -> None:
    """Every seventh of the 164, and those whose tests call other functions too; `runs/references.py` tries them all."""
    chosen = [problem for number, problem in enumerate(problems) if number % 7 == 0 or number in (32, 33, 38, 50)]
    found = graded(*((problem, problem.reference or "") for problem in chosen))
    assert {problem.id: score.error for problem, score in zip(chosen, found, strict=True) if score.value != 1.0} == {}
    assert len(chosen) == 28
    assert (len(problems), len({problem.id for problem in problems})) == (164, 164)


@bubblewrap
def test_recorded_programs_are_graded_as_recorded(data: Path, problems: list[Problem]) -> None:
    """Of CodeGen-16B's programs (Chen et al. 2022), two of every tenth problem; the bits were made by the official tests."""
    folder = data / "rec_codet_codegen16b"
    bits = json.loads((folder / "pass_bits_computed_here.json").read_text())
    lines = gzip.decompress(next(folder.glob("*code_solution.jsonl.gz")).read_bytes()).splitlines()
    drawn = {re.findall(r"def (\w+)\(", row["prompt"])[-1]: row["samples"] for row in map(json.loads, lines)}
    chosen = [(problem, number) for problem in problems[::10] for number in (0, 1)]
    found = graded(*((problem, drawn[problem.data["entry"]][number]) for problem, number in chosen))
    recorded = [float(bits[problem.id.replace("humaneval", "HumanEval")][number]) for problem, number in chosen]
    assert [score.value for score in found] == recorded
    assert 0 < sum(recorded) < len(recorded)


@bubblewrap
def test_a_helper_of_the_test_is_the_prompts_and_not_the_programs(problems: list[Problem]) -> None:
    problem = problems[38]
    forged = "def encode_cyclic(s): return s\n\ndef decode_cyclic(s): return s\n"
    assert [score.value for score in graded((problem, f"```python\n{forged}```"))] == [0.0]


@bubblewrap
def test_a_pass_needs_more_than_a_way_out(problems: list[Problem]) -> None:
    ways = ["    import os\n    os._exit(0)\n", "    raise SystemExit(0)\n", "    pass\n\n\ndef check(candidate):\n    pass\n"]
    assert [score.value for score in graded(*((problems[0], way) for way in ways))] == [0.0] * 3


def test_the_docstrings_examples_are_public_tests(problems: list[Problem]) -> None:
    """Of 164 docstrings 140 show examples that can be run; four are wrong about their own function (47, 116, 130, 148)."""
    shown = [len(problem.data["examples"]) for problem in problems]
    assert (len([one for one in shown if one]), sum(shown)) == (140, 397)
    assert problems[0].data["examples"] == (
        Asserts("assert (has_close_elements([1.0, 2.0, 3.0], 0.5)\n) == (False\n)"),
        Asserts("assert (has_close_elements([1.0, 2.8, 3.0, 4.0, 5.0, 2.0], 0.3)\n) == (True\n)"),
    )
    assert problems[76].data["examples"][0] == Asserts("assert (is_simple_power(1, 4)\n) == (True\n)")
    assert problems[80].data["examples"] == (), "is_happy(a), where no `a` is defined"


@bubblewrap
def test_references_do_what_their_docstrings_show(problems: list[Problem]) -> None:
    for problem in (problems[0], problems[32], problems[101]):
        found = asyncio.run(tried(problem.reference or "", problem.data["examples"]))
        assert [one.kind for one in found] == ["passed"] * len(problem.data["examples"]) != []


def test_every_usual_shape_of_a_completion_is_the_same_program(problems: list[Problem]) -> None:
    problem = problems[0]
    whole = problem.reference or ""
    body = whole.removeprefix(problem.data["prompt"])
    bare = whole[whole.index("def ") :]
    shapes = [
        whole,
        body,
        f"Here it is:\n```python\n{whole}```\nIt is right.",
        f"```python\nimport os\n```\nand\n```py\n{bare}\n```",
        f"```\n{body}```",
        body + "\ndef another():\n    ...\n\nprint(1)\n",
        f"```python\n{whole}",
    ]
    programs = [problem.task.extract(problem, shape) for shape in shapes]
    assert all(program is not None and "from typing import List" in program for program in programs)
    for program in programs:
        found: dict[str, object] = {}
        exec(program or "", found)
        assert callable(found["has_close_elements"])
    assert len({humaneval.canonical(program or "") for program in programs[:3]}) == 1
    assert problem.task.extract(problem, " \n") is None


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split `train`; its splits are test"):
        humaneval.load("train", 1)
