"""CodeT on recorded programs and tests of CodeGen-16B on HumanEval: does agreement choose better than chance?

100 programs and 100 lists of tests a problem, drawn without the docstrings' examples (Chen et al. 2022, the published data); every
program meets every test of the first five of each list, in the sandbox. The choice is the expectation over equals, as in the paper.
The recorded bits say which programs pass the official tests.

    PONDER_DATA=… python benchmarks/codet.py [--every 10] [--programs 100] [--lists 100]
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from ponder.errors import InputError
from ponder.strategies.codet import agreement, passes
from ponder.tasks import files
from ponder.tasks.humaneval import humaneval
from ponder.tasks.programs import assertions
from ponder.types import Problem
from ponder.verifiers.sandbox import Asserts

NAME = "HumanEval_codegen16B_temp0.8_topp0.95_num100_max300_"
BITS = "pass_bits_computed_here.json"
EACH = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=10, help="one problem in so many")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--lists", type=int, default=100)
    asked = parser.parse_args()
    bits = files.local(f"rec_codet_codegen16b/{BITS}")
    if bits is None:
        raise InputError("the recorded data are missing: set PONDER_DATA to a folder that holds rec_codet_codegen16b")
    problems = humaneval.load("test", None)[:: asked.every]
    began, results = time.monotonic(), list[tuple[float, float, float]]()
    for problem, (programs, lists) in zip(problems, recorded(bits.parent, problems), strict=True):
        right = verdicts(bits.parent, problem)[: asked.programs]
        found = [Asserts(code) for text in lists[: asked.lists] for code in assertions(f"assert {text}")[:EACH]]
        scores = agreement(asyncio.run(passes([problem.task.extract(problem, text) for text in programs[: asked.programs]], found)))
        best = [one for one, score in zip(right, scores, strict=True) if score == max(scores)]
        results.append((fmean(right), fmean(best), float(any(right))))
        print(f"{problem.id}: {fmean(right):.2f} -> {fmean(best):.2f} ({len(set(found))} tests, {time.monotonic() - began:.0f} s)")
    one, chosen, some = map(fmean, zip(*results, strict=True))
    print(f"{len(problems)} problems: one {one:.3f}, chosen {chosen:.3f}, any {some:.3f}")


def recorded(folder: Path, problems: list[Problem]) -> list[tuple[list[str], list[str]]]:
    """The programs and the lists of tests of each problem, matched by the prompt that both were drawn from."""
    asked = {row["task_id"].lower(): row["prompt"] for row in rows(folder / "HumanEval_for_test_case_generation.jsonl.gz")}
    tests = {row["prompt"]: row["samples"] for row in rows(folder / f"{NAME}test_case.jsonl.gz")}
    programs = {row["prompt"]: row["samples"] for row in rows(folder / f"{NAME}code_solution.jsonl.gz")}
    prompts = [asked[problem.id] for problem in problems]
    return [(programs[prompt[: prompt.index("    pass\n\n# check")]], tests[prompt]) for prompt in prompts]


def verdicts(folder: Path, problem: Problem) -> list[bool]:
    """Which of the recorded programs pass the official tests."""
    return [bit == "1" for bit in json.loads((folder / BITS).read_text())[problem.id.replace("humaneval", "HumanEval")]]


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in files.rows(path)]


if __name__ == "__main__":
    main()
