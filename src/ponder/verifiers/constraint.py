"""Instructions that a rule can check: the 25 kinds of IFEval (Zhou et al. 2023, arXiv 2311.07911), each a pure function.

A rule says what is wrong with a text, or None where nothing is. Kinds and parameters have IFEval's names, and a rule decides as
the public definition does, oddities and all: a keyword is found inside a longer word, but a forbidden one is not, and a text whose
language cannot be told is in the right one. Departs from it: a keyword or marker is text, never a pattern; and
`at most`, `more than` and `exactly` are relations too.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.errors import InputError
from ponder.verifiers import prose

Rule = Callable[..., str | None]

RULES: dict[str, Rule] = {}
"""The rules by kind: each takes a text and the constraint's parameters by name."""

ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""The options of `detectable_format:constrained_response`."""

_HOLDS = {
    "at least": operator.ge,
    "less than": operator.lt,
    "at most": operator.le,
    "more than": operator.gt,
    "exactly": operator.eq,
}
_MARKERS = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """An instruction of `kind` with its rule's `parameters`, and the user's `words` for it where it was read from some."""

    kind: str
    parameters: Mapping[str, Any]
    words: str = ""

    def fault(self, text: str) -> str | None:
        """What in `text` does not follow the instruction; None where it does. Nothing at all follows none.

        Raises `InputError` where there is no such kind, or its parameters are others.
        """
        if not text.strip():
            return "it is empty"
        try:
            return RULES[self.kind](text, **self.parameters)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"no rule for {self.kind!r} with {dict(self.parameters)!r}: {error}; see docs/instruction.md"
            ) from error


def rule(kind: str) -> Callable[[Rule], Rule]:
    """Register the rule of `kind`."""

    def register(check: Rule) -> Rule:
        RULES[kind] = check
        return check

    return register


def _count(what: str, found: int, relation: str, wanted: int) -> str | None:
    holds = _HOLDS[relation](found, wanted)
    return None if holds else f"the number of {what} is {found}, and must be {relation} {wanted}"


@rule("keywords:existence")
def existence(text: str, keywords: Sequence[str]) -> str | None:
    missing = [word for word in keywords if word.lower() not in text.lower()]
    return f"it does not mention {', '.join(missing)}" if missing else None


@rule("keywords:frequency")
def frequency(text: str, keyword: str, frequency: int, relation: str) -> str | None:
    return _count(f"mentions of {keyword!r}", text.lower().count(keyword.strip().lower()), relation, frequency)


@rule("keywords:forbidden_words")
def forbidden(text: str, forbidden_words: Sequence[str]) -> str | None:
    used = [word for word in forbidden_words if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)]
    return f"it uses {', '.join(used)}, which is forbidden" if used else None


@rule("keywords:letter_frequency")
def letters(text: str, letter: str, let_frequency: int, let_relation: str) -> str | None:
    return _count(f"letters {letter!r}", text.lower().count(letter.strip().lower()), let_relation, let_frequency)


@rule("language:response_language")
def language(text: str, language: str) -> str | None:
    found = prose.language(text)
    return None if found in (None, language) else f"its language is {found!r}, and must be {language!r}"


@rule("length_constraints:number_words")
def number_words(text: str, num_words: int, relation: str) -> str | None:
    return _count("words", len(prose.words(text)), relation, num_words)


@rule("length_constraints:number_sentences")
def number_sentences(text: str, num_sentences: int, relation: str) -> str | None:
    return _count("sentences", len(prose.sentences(text)), relation, num_sentences)


@rule("length_constraints:number_paragraphs")
def paragraphs(text: str, num_paragraphs: int) -> str | None:
    """Paragraphs between `***`; an empty one counts as none at either end, and anywhere else it is a fault."""
    parts = re.split(r"\s?\*\*\*\s?", text)
    if any(not part.strip() for part in parts[1:-1]):
        return "there is nothing between two dividers ***"
    found = len(parts) - sum(not part.strip() for part in {0: parts[0], len(parts) - 1: parts[-1]}.values())
    return _count("paragraphs divided by ***", found, "exactly", num_paragraphs)


@rule("length_constraints:nth_paragraph_first_word")
def first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> str | None:
    """Paragraphs between empty lines. Empty ones do not count, but the nth is found among all."""
    parts = text.split("\n\n")
    found = sum(bool(part.strip()) for part in parts)
    if nth_paragraph > found or found != num_paragraphs:
        return _count("paragraphs divided by empty lines", found, "exactly", num_paragraphs)
    opening = [*parts[nth_paragraph - 1].split(), ""][0].lstrip("'").lstrip('"')
    if re.split(r"[.,?!'\"]", opening)[0].lower() == first_word.lower():
        return None
    return f"paragraph {nth_paragraph} starts with {opening!r}, and must start with {first_word!r}"


@rule("detectable_content:number_placeholders")
def placeholders(text: str, num_placeholders: int) -> str | None:
    return _count("placeholders [in brackets]", len(re.findall(r"\[[^\[\]\n]*\]", text)), "at least", num_placeholders)


@rule("detectable_content:postscript")
def postscript(text: str, postscript_marker: str) -> str | None:
    marker = postscript_marker.strip()
    pattern = _MARKERS.get(marker, re.escape(marker.lower()))
    return None if re.search(pattern, text.lower()) else f"it has no postscript that starts with {marker}"


@rule("detectable_format:number_bullet_lists")
def bullets(text: str, num_bullets: int) -> str | None:
    """Lines that start with `-`, or with `*` and something else than `*`."""
    found = re.findall(r"^\s*(?:\*[^*].*|-.*)$", text, re.MULTILINE)
    return _count("bullet points", len(found), "exactly", num_bullets)


@rule("detectable_format:constrained_response")
def constrained(text: str) -> str | None:
    return None if any(answer in text for answer in ANSWERS) else f"it says none of: {' '.join(ANSWERS)}"


@rule("detectable_format:number_highlighted_sections")
def highlights(text: str, num_highlights: int) -> str | None:
    """Parts *between asterisks* or **between two**, on one line."""
    single = [part for part in re.findall(r"\*[^\n*]*\*", text) if part.strip("*").strip()]
    double = [part for part in re.findall(r"\*\*[^\n*]*\*\*", text) if part[2:-2].strip()]
    return _count("highlighted sections", len(single) + len(double), "at least", num_highlights)


@rule("detectable_format:multiple_sections")
def sections(text: str, section_spliter: str, num_sections: int) -> str | None:
    marker = section_spliter.strip()
    found = len(re.findall(rf"{re.escape(marker)}\s?\d+", text))
    return _count(f"sections that start with {marker} and a number", found, "at least", num_sections)


@rule("detectable_format:json_format")
def json_format(text: str) -> str | None:
    body = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    try:
        json.loads(body.removesuffix("```").strip())
    except (ValueError, RecursionError) as error:
        return f"the whole of it is not JSON: {error}"
    return None


@rule("detectable_format:title")
def title(text: str) -> str | None:
    inside = (line.partition("<<")[2].rpartition(">>")[0] for line in text.split("\n"))
    return None if any(one.lstrip("<").rstrip(">").strip() for one in inside) else "it has no title in <<double angular brackets>>"


@rule("combination:two_responses")
def two_responses(text: str) -> str | None:
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    if not all(parts[1:-1]) or len(given) != 2:
        return f"it has {len(given)} responses divided by ******, and must have 2"
    return "its two responses are the same" if given[0] == given[1] else None


@rule("combination:repeat_prompt")
def repeat_prompt(text: str, prompt_to_repeat: str) -> str | None:
    repeated = text.strip().lower().startswith(prompt_to_repeat.strip().lower())
    return None if repeated else "it does not begin with the request, repeated word for word"


@rule("startend:end_checker")
def end(text: str, end_phrase: str) -> str | None:
    ended = text.strip().strip('"').lower().endswith(end_phrase.strip().lower())
    return None if ended else f"it does not end with {end_phrase.strip()!r}"


@rule("startend:quotation")
def quotation(text: str) -> str | None:
    body = text.strip()
    return None if len(body) > 1 and body[0] == body[-1] == '"' else "it does not stand in double quotation marks"


@rule("change_case:capital_word_frequency")
def capital_words(text: str, capital_frequency: int, capital_relation: str) -> str | None:
    return _count("words in capitals", len(prose.capitals(text)), capital_relation, capital_frequency)


@rule("change_case:english_capital")
def english_capital(text: str) -> str | None:
    return language(text, "en") if text.isupper() else "it is not all in capital letters"


@rule("change_case:english_lowercase")
def english_lowercase(text: str) -> str | None:
    return language(text, "en") if text.islower() else "it is not all in lowercase letters"


@rule("punctuation:no_comma")
def no_comma(text: str) -> str | None:
    return f"it has {text.count(',')} commas" if "," in text else None
