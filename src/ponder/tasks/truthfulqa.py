"""TruthfulQA: 817 questions that people often answer falsely (Lin et al. 2021), as multiple choice (MC1), split `test`.

The options are the best true answer and the false ones, at most nine, in an order that a hash of each decides; the answer is the
letter. The published MC1 compares likelihoods of the answers instead of asking for a letter.
"""

from hashlib import sha256

from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.choice import choice, option

LETTERS = "ABCDEFGHIJ"
ASK = r"Answer with the letter of the true option, in \boxed{}."


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in truthfulqa.splits:
        raise InputError(f"the task `truthfulqa` has no split `{split}`; its splits are {', '.join(truthfulqa.splits)}")
    rows = files.benchmark("bench_qa/TruthfulQA.csv.gz", "domenicrosati/TruthfulQA", "default", "train")  # the hub's one split
    return [
        _problem(number, row["Question"], row["Best Answer"], row["Incorrect Answers"]) for number, row in enumerate(rows[:limit])
    ]


def _problem(number: int, question: str, best: str, false: str) -> Problem:
    wrong = [one for one in dict.fromkeys(part.strip() for part in false.split(";")) if one and one != best.strip()]
    options = sorted([best.strip(), *wrong[: len(LETTERS) - 1]], key=lambda one: sha256(f"{number}/{one}".encode()).digest())
    listed = "\n".join(f"{letter}) {one}" for letter, one in zip(LETTERS, options, strict=False))
    asked = Message("user", f"{question}\n\n{listed}\n\n{ASK}")
    return Problem(f"truthfulqa/{number}", (asked,), truthfulqa, LETTERS[options.index(best.strip())])


def _extract(_problem: Problem, text: str) -> str | None:
    return option(text)


truthfulqa = Task(
    name="truthfulqa",
    about="questions that people often answer falsely, multiple choice",
    load=_load,
    extract=_extract,
    canonical=str,
    verifier=choice,
    source="https://github.com/sylinrl/TruthfulQA",
    licence="Apache-2.0",
)
