r"""Competition mathematics: MATH-500, AIME 2024 and 2025, AMC 2023 and 2024, HMMT and BRUMO 2025; split `test`.

The prompt is the one that Qwen2.5-Math and DeepSeek-R1 publish. MATH-500 and AMC are sampled as in search-and-learn (Beeching et
al. 2024), the others as by DeepSeek-R1, whose answers may have 32,768 tokens: temperature .6, top-p .95. AIME answers are whole
numbers 0 to 999. With so few problems, give avg@k (the mean over k samples each) and cons@k (the vote of k).
"""

from collections.abc import Callable
from dataclasses import replace

from ponder.answers import canonical, final_answer
from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.choice import choice, option
from ponder.verifiers.math import math

ASK = r"Please reason step by step, and put your final answer within \boxed{}."
ASK_LETTER = r"Please reason step by step, and put the letter of the right option within \boxed{}."

Place = tuple[str, str, str, str]
"""A local file, and the hub's data set, configuration and split."""


def _loader(name: str, place: Place, ask: str) -> Callable[[str, int | None], list[Problem]]:
    """What reads the task `name`: one problem a row, whose words stand under `problem` or `question`."""

    def load(split: str, limit: int | None) -> list[Problem]:
        task = TASKS[name]
        if split not in task.splits:
            raise InputError(f"the task `{name}` has no split `{split}`; its splits are {', '.join(task.splits)}")
        rows = files.benchmark(*place)[:limit]
        asked = (f"{(row.get('problem') or row['question']).strip()}\n\n{ask}" for row in rows)
        return [
            Problem(f"{name}/{number}", (Message("user", question),), task, _reference(row))
            for number, (row, question) in enumerate(zip(rows, asked, strict=True))
        ]

    return load


def _reference(row: dict[str, object]) -> str:
    """The answer as it is written; whole numbers that a file holds as floats lose their `.0`."""
    answer = row["answer"] if "answer" in row else row["solution"]
    return str(int(answer)) if isinstance(answer, float) and answer.is_integer() else str(answer)


def _extract(_problem: Problem, text: str) -> str | None:
    return final_answer(text)


def _letter(_problem: Problem, text: str) -> str | None:
    return option(text)


def _task(name: str, about: str, source: str, licence: str, place: Place, ask: str = ASK) -> Task:
    return Task(
        name=name,
        about=about,
        load=_loader(name, place, ask),
        extract=_extract,
        canonical=canonical,
        verifier=math,
        max_tokens=32_768,
        temperature=0.6,
        top_p=0.95,
        source=source,
        licence=licence,
    )


def _short(task: Task) -> Task:
    return replace(task, max_tokens=2048, temperature=0.8, top_p=1.0)


_MAA = "problems (c) MAA"
_ARENA = "CC-BY-NC-SA-4.0 (MathArena)"

math500 = _short(
    _task(
        "math500", "500 problems of MATH's test set, of five levels", "https://github.com/openai/prm800k", "MIT",
        ("bench_math500/math500.jsonl.gz", "HuggingFaceH4/MATH-500", "default", "test"),
    )
)  # fmt: skip
aime24 = _task(
    "aime24", "AIME I and II 2024: 30 problems, answers 0 to 999", "https://matharena.ai", f"{_ARENA}; {_MAA}",
    ("bench_aime/aime_2024.jsonl", "HuggingFaceH4/aime_2024", "default", "train"),
)  # fmt: skip
aime25 = _task(
    "aime25", "AIME I and II 2025: 30 problems, answers 0 to 999", "https://matharena.ai", f"{_ARENA}; {_MAA}",
    ("bench_aime/aime_2025.jsonl", "MathArena/aime_2025", "default", "train"),
)  # fmt: skip
hmmt25 = _task(
    "hmmt25", "HMMT February 2025: 30 problems", "https://matharena.ai", f"{_ARENA}; problems (c) HMMT",
    ("bench_aime/hmmt_feb_2025.jsonl", "MathArena/hmmt_feb_2025", "default", "train"),
)  # fmt: skip
brumo25 = _task(
    "brumo25", "BRUMO 2025: 30 problems", "https://matharena.ai", f"{_ARENA}; problems (c) BRUMO",
    ("bench_aime/brumo_2025.jsonl", "MathArena/brumo_2025", "default", "train"),
)  # fmt: skip
amc23 = _short(
    _task(
        "amc23", "AMC 12 2023: 40 problems with whole answers", "https://huggingface.co/datasets/math-ai/amc23", _MAA,
        ("bench_amc/amc2023.jsonl", "math-ai/amc23", "default", "test"),
    )
)  # fmt: skip
amc24 = replace(
    _short(
        _task(
            "amc24", "AMC 12 2024: 22 problems, five options each", "https://github.com/zhentingqi/rStar", f"MIT; {_MAA}",
            ("bench_amc/amc2024_rstar.json", "https://github.com/zhentingqi/rStar", "", ""), ASK_LETTER,
        )
    ),
    extract=_letter,
    verifier=choice,
)  # fmt: skip

TASKS = {task.name: task for task in (math500, aime24, aime25, hmmt25, brumo25, amc23, amc24)}
