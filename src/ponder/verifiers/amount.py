"""Numbers with a bound, in English: `at least 300 words`, `20 to 25 sentences`, `twice or more`."""

from __future__ import annotations

import re

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve"
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
_VALUES = {word: value for value, word in enumerate(f"{_SMALL} {_TEENS}".split())} | {"once": 1, "twice": 2, "thrice": 3}
_NUMBER = rf"(?:\d{{1,3}}(?:,\d{{3}}){{1,2}}(?!\d)|\d{{1,6}}(?!\d)|\b(?:{'|'.join(_VALUES)})\b)"
_OR = r"or\s+(?:more|less|fewer)"

_RELATIONS = {
    "at least": r"at\s+(?:the\s+)?least|at\s+minimum|(?:no|not)\s+(?:less|fewer)\s+than|minimum(?:\s+of)?|or\s+more|\+",
    "at most": (
        r"at\s+(?:the\s+)?most|(?:no|not)\s+(?:more|longer)\s+than|n['’o]t\s[^.\n]{0,30}longer\s+than|up\s+to|maximum(?:\s+of)?"
        r"|n['’o]t\s+exceed|limit\w*\s[^.\n]{0,40}?\bto|or\s+(?:less|fewer)"
    ),
    "more than": r"more\s+than|over|longer\s+than",
    "less than": r"(?:less|fewer|shorter)\s+than|under|below",
    "exactly": r"exactly|only|just|precisely",
}
_BEFORE = "|".join(_RELATIONS.values())


def amount(unit: str) -> str:
    """A pattern for a number of `unit`, a pattern too. Use it once in a pattern: its groups are what `bounds` reads."""
    return (
        rf"(?:(?P<before>{_BEFORE}|between)\s+(?:for\s+)?(?:the\s+)?)?(?<![\w.])(?:(?P<low>{_NUMBER})\s*(?:to|and|or|-|–)\s*)?"
        rf"(?P<n>{_NUMBER})(?:\s*(?P<middle>\+|{_OR}))?[\s-]*{unit}(?:\s+(?P<after>{_OR}|at\s+(?:least|most)|minimum|maximum))?"
    )


def number(text: str) -> int:
    """The value of what a pattern of `amount` has found."""
    return _VALUES[text.lower()] if text.lower() in _VALUES else int(text.replace(",", ""))


def bounds(match: re.Match[str], bare: str | None = None) -> list[tuple[str, int]]:
    """The bounds that a match of `amount` sets, as `at least`, `less than` or `exactly`; `bare` is what a mere number means."""
    value = number(match["n"])
    if match["low"]:
        return [("at least", number(match["low"])), ("less than", value + 1)]
    said = match["before"] or match["middle"] or match["after"]
    relation = next((name for name, pattern in _RELATIONS.items() if said and re.fullmatch(pattern, said, re.IGNORECASE)), bare)
    if relation in ("at most", "more than"):
        return [("less than" if relation == "at most" else "at least", value + 1)]
    return [(relation, value)] if relation else []
