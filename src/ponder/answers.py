r"""Final answers: found in a completion, compared by what they mean, and voted on. Pure functions of bounded time.

Everything here meets text that a model wrote, so it may be megabytes long, nested, cut or nonsense: the scans are linear, nothing
is evaluated, and a number of more than `LONGEST_NUMBER` characters stays the text that it is.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import fsum

from ponder.types import Call, Candidate

LONGEST_NUMBER = 400
LONGEST_PHRASE = 400

_BRACES = re.compile(r"\\(?:boxed|fbox) ?\{|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"^#### ?([^\s\d]*\d\S*)[ \t]*$", re.MULTILINE)
_PHRASE = re.compile(r"answer\*{0,2} {0,3}(?:is\b ?:?|[:=]|(?=[-+−$\d]))\*{0,2}\s{0,3}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s)")
_NUMBER = re.compile(r"(?<![\w.)])[-+−]?\$?(?:\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|\.\d+)(?:/\d+)?%?|\d+(?:\.\d+)?")

_MINUS = str.maketrans(dict.fromkeys("−‒–﹣－", "-"))
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|boxed) ?\{([^{}]*)\}")
_LAYOUT = re.compile(r"\\[,!;: ]|\\left(?![a-z])|\\right(?![a-z])|\\?\$|\{(?=,\})|(?<=,)\}")
_AROUND_OPERATOR = re.compile(r" ?([-+*/=^(),:;<>{}\[\]|]) ?")
_FRACTION = re.compile(r"(?<!\d)\\[dt]?frac(?:\{(-?\d+)\}\{(-?\d+)\}|(\d)(\d)| (\d) (\d))(?![\d.])")
_VALUE = re.compile(r"([-+]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:/([-+]?\d+(?:\.\d+)?))?\\?%?")

Canonical = Callable[[str], str]


def final_answer(text: str) -> str | None:
    r"""The answer that a completion ends with, or None.

    The first of these that the text has, and of several of a kind the last: (1) `\boxed{...}` with balanced braces; (2) a line
    `#### X`, X one word with a digit; (3) "answer is X", "answer: X", "answer = X", "answer 42", to the end of the sentence, and
    where X is one number among plain words, only the number; (4) a number.
    """
    return _boxed(text) or _hashed(text) or _phrased(text) or _last_number(text)


def canonical(answer: str) -> str:
    r"""The equality key of an answer: two answers with the same key mean the same.

    Numbers are equal by exact value (`1,000.0` = `1000`, `1/2` = `0.5` = `\frac12`; dollar and percent signs are dropped: `50%` =
    `50`). Other text is equal up to case, spacing, a final full stop, `$` and wrappers such as `\text{}`. Nothing is evaluated.
    """
    if len(answer) < 16 and answer.isascii() and answer.isdecimal():
        return str(int(answer))  # most answers of most tasks, in a fraction of the time
    plain = _plain(answer)
    value = _value(plain) if len(plain) <= LONGEST_NUMBER else None
    return plain.casefold() if value is None else str(value)


def called(call: Call) -> str:
    """A call of a tool in one form: its name and its arguments, keys in order. Arguments that are no JSON stay as they are."""
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        arguments = call.arguments
    return f"{call.name}({arguments})"


def classes(candidates: Iterable[Candidate], canonical: Canonical) -> dict[str, list[Candidate]]:
    """Candidates with the same answer together, by key: members by `sample.index`, classes by their first member's.

    Candidates without an answer belong to no class. The order of the candidates given makes no difference to this and to the votes
    below, if their indices are distinct.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=_index):
        if candidate.answer is not None:
            groups.setdefault(canonical(candidate.answer), []).append(candidate)
    return groups


def numbered(candidates: Iterable[Candidate], canonical: Canonical) -> list[int]:
    """For each candidate the number of its answer, equal for answers that mean the same, by first appearance; -1 for none."""
    numbers: dict[str, int] = {}
    return [-1 if one.answer is None else numbers.setdefault(canonical(one.answer), len(numbers)) for one in candidates]


def majority(candidates: Iterable[Candidate], canonical: Canonical) -> Candidate | None:
    """The first member of the largest class (self-consistency, Wang 2022); ties go to the class whose first member is earliest."""
    return _first(max(classes(candidates, canonical).values(), key=len, default=None))


def weighted(candidates: Iterable[Candidate], canonical: Canonical) -> Candidate | None:
    """The first member of the class with the greatest sum of scores; ties as in `majority`.

    Candidates without a score take no part. None if no candidate has both an answer and a score: unknown is not a number.
    """
    scored = [candidate for candidate in candidates if candidate.value is not None]
    return _first(max(classes(scored, canonical).values(), key=_weight, default=None))


def borda(candidates: Iterable[Candidate], canonical: Canonical, power: float = 0.5) -> Candidate | None:
    """The first member of the class with the greatest sum of (N - r + 1)**power, r a candidate's rank by score among all N scored.

    The vote of Kang et al. 2025 (self-certainty): power 0 is the majority, and the best score wins as power grows. Candidates
    without an answer rank last and do not vote; of equal scores the earlier ranks higher; ties as in `majority`.
    """
    scored = [candidate for candidate in candidates if candidate.value is not None]
    ranked = sorted(scored, key=lambda one: (one.answer is None, -(one.value or 0.0), _index(one)))
    weights = {_index(one): (1 - place / len(ranked)) ** power for place, one in enumerate(ranked)}
    return _first(
        max(classes(ranked, canonical).values(), key=lambda members: fsum(weights[_index(one)] for one in members), default=None)
    )


def best(candidates: Iterable[Candidate]) -> Candidate | None:
    """The candidate with the highest score; ties go to the earliest. Unscored ones never win: None if there are no others."""
    scored = [(candidate.value, -candidate.sample.index, candidate) for candidate in candidates if candidate.value is not None]
    return max(scored, key=lambda item: item[:2])[2] if scored else None


def _boxed(text: str) -> str | None:
    if "boxed" not in text:
        return None
    opened: list[tuple[int, bool]] = []
    start, end = -1, -1
    for token in _BRACES.finditer(text):
        if token[0] == "}":
            inside, is_box = opened.pop() if opened else (0, False)
            if is_box and inside > start and text[inside : token.start()].strip():
                start, end = inside, token.start()
        elif token[0].endswith("{") and token[0] != r"\{":
            opened.append((token.end(), token[0] != "{"))
    return text[start:end].strip() if end >= 0 else None


def _hashed(text: str) -> str | None:
    found = _HASHES.findall(text)
    return found[-1] if found else None


def _phrased(text: str) -> str | None:
    for phrase in reversed(list(_PHRASE.finditer(text))):
        if not text[phrase.start() - 1 : phrase.start()].isalnum():
            tail = text[phrase.end() : phrase.end() + LONGEST_PHRASE]
            answer = _SENTENCE_END.split(tail, maxsplit=1)[0].strip().strip("*").rstrip(".").strip()
            if answer:
                return _only_number(answer) or answer
    return None


def _only_number(phrase: str) -> str | None:
    """The one number of a phrase whose other words are plain words (`18 eggs a day`), else None."""
    words = [word.rstrip(".,;") for word in phrase.split()]
    numbers = [word for word in words if not word.isalpha()]
    return numbers[0] if len(numbers) == 1 and _NUMBER.fullmatch(numbers[0]) else None


def _last_number(text: str) -> str | None:
    last = None
    for last in _NUMBER.finditer(text):  # noqa: B007 - the last match is what is wanted
        pass
    return last[0] if last else None


def _plain(answer: str) -> str:
    if not answer.isascii():
        answer = "".join(_ascii_digit(character) for character in answer.translate(_MINUS))
    text = _LAYOUT.sub("", _WRAPPER.sub(r"\1", answer.strip()))
    return _AROUND_OPERATOR.sub(r"\1", " ".join(text.split())).rstrip(".").strip()


def _ascii_digit(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _value(plain: str) -> Fraction | None:
    match = _VALUE.fullmatch(_FRACTION.sub(_slashed, plain))
    if match is None:
        return None
    sign, above, below = match.groups()
    denominator = Fraction(below or 1)
    if denominator == 0:
        return None
    value = Fraction(above.replace(",", "").rstrip(".")) / denominator
    return -value if sign == "-" else value


def _slashed(match: re.Match[str]) -> str:
    above, below = (group for group in match.groups() if group is not None)
    return f"{above}/{below}"


def _index(candidate: Candidate) -> int:
    return candidate.sample.index


def _weight(members: list[Candidate]) -> float:
    return fsum(member.value for member in members if member.value is not None)


def _first(members: list[Candidate] | None) -> Candidate | None:
    return members[0] if members else None
