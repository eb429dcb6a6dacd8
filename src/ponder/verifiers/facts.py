r"""Short answers to questions of fact: equal by their words, wrong where they share none, and in between for a judge to tell."""

import re
import unicodedata

from ponder.answers import final_answer
from ponder.types import Problem, Score
from ponder.verifiers.check import Check

_UNKNOWN = re.compile(
    r"\b(?:unknown|not known|(?:do not|don['’]t|cannot|can['’]t) (?:know|tell|say|determine|be determined)|not (?:sure|certain))\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_LED = re.compile(r"^.{0,80}?\banswer\b[\s:*]*(?:is\b[\s:*]*)?", re.IGNORECASE)
_SMALL = frozenset({"a", "an", "the", "of", "in", "on", "at", "and", "is", "was", "st", "nd", "rd", "th"})
_FIGURES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: str(number) for number, word in enumerate(_FIGURES)}
_LONGEST = 1_000


def unknown(answer: str | None, text: str = "") -> bool:
    """Whether there is no answer, or it or the last line of the text says that it is not known."""
    last = text.rstrip().rpartition("\n")[2][-_LONGEST:]
    return answer is None or _UNKNOWN.search(f"{answer[:_LONGEST]}\n{last}") is not None


def stated(text: str) -> str | None:
    r"""The answer of a completion: what is in `\boxed{}`, else its last line, after "answer:" or "answer is"; None if empty."""
    last = text.rstrip().rpartition("\n")[2].strip()
    boxed = final_answer(text) if "boxed" in text else None
    return boxed or _LED.sub("", last, count=1) or None


def key(answer: str) -> str:
    """Equal for answers of the same words in any order and case, but for accents, articles, ordinal endings, thousands' commas."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=\d),(?=\d{3})", "", answer[:_LONGEST]))
    bare = "".join(one for one in plain if not unicodedata.combining(one)).casefold()
    words = [_NUMBERS.get(word, word) for word in _WORD.findall(bare)]
    return " ".join(sorted(word for word in words if word not in _SMALL) or words) or answer.strip()


def grade(problem: Problem, completion: str) -> Score:
    """1 for the reference or an alias of it, 0 for an answer that shares no word with it or for none, None in between.

    Aliases are what stands in the reference's brackets, and what stands outside. Where the two share words, or one is the initials
    of the other, only a judge can tell.
    """
    if problem.reference is None:
        return Score(None, error=f"the problem `{problem.id}` has no reference answer")
    answer = stated(completion)
    if answer is None or unknown(answer, completion):
        return Score(0.0)
    given, aliases = key(answer), _aliases(problem.reference)
    if given in {key(alias) for alias in aliases}:
        return Score(1.0)
    if any(_near(answer, alias) for alias in aliases):
        return Score(None, error=f"only a judge can tell whether {answer[:80]!r} means {problem.reference[:80]!r}")
    return Score(0.0)


def _aliases(reference: str) -> list[str]:
    outside = re.sub(r"\([^()]*\)", " ", reference)
    return [one for one in (reference, outside, *re.findall(r"\(([^()]*)\)", reference)) if one.strip()]


def _near(answer: str, alias: str) -> bool:
    given, wanted = key(answer), key(alias)
    return not set(given.split()).isdisjoint(wanted.split()) or given == _initials(alias) or _initials(answer) == wanted


def _initials(text: str) -> str:
    return "".join(word[0] for word in text[:_LONGEST].split() if word[0].isupper()).casefold()


facts = Check("facts", "reference", grade)
