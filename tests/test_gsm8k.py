"""GSM8K: its own answers are right, and 5,276 recorded solutions are judged as their authors judged them."""

import asyncio
import gzip
import json
import re
import sys
from pathlib import Path

import pytest

from ponder.answers import final_answer
from ponder.errors import InputError
from ponder.tasks import files
from ponder.tasks.expression import parse
from ponder.tasks.expression import value as evaluated
from ponder.tasks.gsm8k import gsm8k
from ponder.types import Problem, Sample
from ponder.verifiers.math import math

PUBLISHED = {"6b_finetuning": 21.68, "6b_verification": 39.04, "175b_finetuning": 34.72, "175b_verification": 56.25}


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return gsm8k.load("test", None)


def test_all_1319_gold_answers_are_right(data: Path, problems: list[Problem]) -> None:
    rows = files.benchmark("bench_gsm8k/test.jsonl.gz", "", "", "test")

    async def judge() -> list[float | None]:
        judged = [await math(problem, [Sample(row["answer"])]) for problem, row in zip(problems, rows, strict=True)]
        return [score.value for (score,) in judged]

    assert gsm8k.verifier is math
    assert asyncio.run(judge()) == [1.0] * 1319
    assert len({problem.id for problem in problems}) == 1319


def test_recorded_verdicts_of_four_models(data: Path, problems: list[Problem]) -> None:
    path = data / "rec_gsm8k_cobbe" / "example_model_solutions.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    right = dict.fromkeys(PUBLISHED, 0)

    async def judge() -> None:
        for problem, row in zip(problems, rows, strict=True):
            samples = [Sample(row[model]["solution"]) for model in PUBLISHED]
            for model, score in zip(PUBLISHED, await math(problem, samples), strict=True):
                assert score.value == float(row[model]["is_correct"])
                right[model] += row[model]["is_correct"]

    asyncio.run(judge())
    assert {model: round(100 * count / 1319, 2) for model, count in right.items()} == PUBLISHED


def test_the_prompt_asks_for_steps_and_a_box(problems: list[Problem]) -> None:
    system, user = problems[0].messages
    assert "step by step" in system.content
    assert r"\boxed{}" in system.content
    assert user.content == problems[0].question
    assert problems[0].question.startswith("Janet")
    assert problems[0].reference == "18"


def test_the_exemplars_compute_what_they_say() -> None:
    equations = [re.findall(r"([-+*/0-9 ]+) = (-?\d+)", worked) for _, worked in gsm8k.exemplars]
    assert len(equations) == 8
    for found, (_, worked) in zip(equations, gsm8k.exemplars, strict=True):
        assert all(evaluated(parse(left)) == int(right) for left, right in found)
        assert len(found) >= 2
        assert final_answer(worked) in worked.splitlines()[-2]


def test_without_a_source_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r'set PONDER_DATA .* holds bench_gsm8k/test\.jsonl\.gz.*pip install "ponder\[tasks\]"'):
        gsm8k.load("test", 1)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split `validation`; its splits are test, train"):
        gsm8k.load("validation", 1)
