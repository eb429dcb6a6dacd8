"""What ends a step of a solution: a string, the first match of a regular expression, or a number of tokens (`types.Step`)."""

from __future__ import annotations

import re

from ponder.errors import InputError
from ponder.types import Step

_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


def read(text: str) -> Step:
    r"""The separator that a user writes: `64` tokens, `/[.!?]\s/` a regular expression, else the string, where `\n` is a line end.

    Raises InputError for one that could end no step.
    """
    if text.isdecimal() and int(text):
        return int(text)
    if len(text) > 2 and text[0] == text[-1] == "/":
        try:
            return re.compile(text[1:-1])
        except re.error as error:
            raise InputError(f"the separator {text} is no regular expression of Python's `re`: {error}; correct it") from error
    if text in ("", "0"):
        raise InputError(
            rf"the separator {text!r} ends no step; write a string such as \n\n, /a regular expression/, or 64 (tokens)"
        )
    return re.sub(r"\\[nt\\]", lambda found: _ESCAPES[found[0]], text)


def pattern(step: str | re.Pattern[str]) -> re.Pattern[str]:
    """The regular expression that finds the separator."""
    return re.compile(re.escape(step)) if isinstance(step, str) else step


def split(text: str, step: Step) -> list[str]:
    """The steps of a text, each with the separator that ends it; they add up to the text, but for white space at its end.

    A blank one is part of the next. Where tokens are counted there is one step, because a text does not show its tokens.
    """
    ends = [] if isinstance(step, int) else [found.end() for found in pattern(step).finditer(text)]
    steps, begun = list[str](), 0
    for end in [*ends, len(text)]:
        if text[begun:end].strip():
            steps.append(text[begun:end])
            begun = end
    return steps
