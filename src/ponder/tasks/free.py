"""Any free question: what a user asks in words, with no list of problems, no reference and no checker."""

import hashlib

from ponder.answers import canonical, final_answer
from ponder.errors import InputError
from ponder.types import Message, Problem, Task


def problem(question: str) -> Problem:
    """The question as a problem; its id is a hash of its words."""
    return Problem(
        f"free/{hashlib.sha256(question.encode(errors='surrogatepass')).hexdigest()[:12]}", (Message("user", question),), free
    )


def _load(_split: str, _limit: int | None) -> list[Problem]:
    raise InputError("the task `free` has no problems of its own; ask a question, or give a file with --data")


def _extract(_problem: Problem, text: str) -> str | None:
    return final_answer(text)


free = Task(
    name="free",
    about="Any question, in your own words",
    load=_load,
    extract=_extract,
    canonical=canonical,
    verifier=None,
    splits=(),
)
