"""How well thinking was spent: too long on what was found already, or too short on what would have led there.

A thinking text is cut into thoughts, where it switches, and into solutions, where it states an answer; the measures are pure
functions of such pieces. Everything here studies recorded texts, and reads references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

from ponder.strategies.patience import SWITCH


@dataclass(frozen=True, slots=True)
class Piece:
    """A solution or a thought: its tokens, the key of the answer that it states (None: none), and whether that is right."""

    tokens: int
    answer: str | None = None
    right: bool = False


def switches(text: str) -> int:
    """How often a thinking text switches (`strategies.patience.SWITCH`)."""
    return sum(1 for _ in SWITCH.finditer(text))


def thoughts(text: str) -> list[str]:
    """The text cut before each switch; joined, the parts are the text."""
    cuts = [0, *(found.start() for found in SWITCH.finditer(text)), len(text)]
    return [text[begin:end] for begin, end in pairwise(cuts) if end > begin]


def solutions(text: str, states: Callable[[str], str | None]) -> list[str]:
    """The text cut after each thought that states an answer; what follows the last one belongs to it. Joined, they are the text.

    `states` gives the answer that a thought states, or None: one that takes any number for an answer finds too many.
    """
    parts, open_ = list[str](), ""
    for thought in thoughts(text):
        open_ += thought
        if states(thought) is not None:
            parts.append(open_)
            open_ = ""
    return [*parts[:-1], parts[-1] + open_] if parts else [open_]


def pieces(parts: Sequence[str], tokens: int, states: Callable[[str], str | None], right: Callable[[str], bool]) -> list[Piece]:
    """The parts with the answers that they state. The `tokens` of the whole are theirs in proportion to their characters."""
    ends = list(accumulate(map(len, parts), initial=0))
    places = [round(tokens * end / (ends[-1] or 1)) for end in ends]
    stated = [states(part) for part in parts]
    return [
        Piece(after - before, answer, answer is not None and right(answer))
        for (before, after), answer in zip(pairwise(places), stated, strict=True)
    ]


def outcome_efficiency(responses: Iterable[Sequence[Piece]]) -> float:
    """The mean share of a response's tokens that it had spent when its first right solution was complete; 0 if none is right.

    Source: Chen et al. 2024 (2412.21187), their outcome efficiency over solutions in order.
    """
    return fmean((_until_right(one) or 0) / _total(one) for one in responses)


def process_efficiency(responses: Iterable[Sequence[Piece]]) -> float:
    """The mean share of a response's tokens in solutions that are the first with their answer; one without an answer is not.

    Source: as above. Departs from it: solutions are alike if their answers are, where the paper asks a model about their reasoning.
    """
    return fmean(_new(one) / _total(one) for one in responses)


def underthinking(responses: Iterable[tuple[Sequence[Piece], bool]]) -> float | None:
    """Over the responses that end wrong, the mean share of tokens after the first right thought; None if all end right.

    1 - T' / T, with T' the tokens to the first right thought, and T where none is. Each response comes with whether it ends right.
    Source: Wang et al. 2025 (2501.18585). It says nothing of switches after the first right thought in responses that end right.
    """
    shares = [1 - (_until_right(one) or _total(one)) / _total(one) for one, ends_right in responses if not ends_right]
    return fmean(shares) if shares else None


def _total(response: Sequence[Piece]) -> int:
    return sum(one.tokens for one in response) or 1


def _until_right(response: Sequence[Piece]) -> int | None:
    """The tokens to the end of the first right piece."""
    spent = accumulate(one.tokens for one in response)
    return next((tokens for tokens, one in zip(spent, response, strict=True) if one.right), None)


def _new(response: Sequence[Piece]) -> int:
    first = {one.answer: one for one in reversed(response) if one.answer is not None}
    return sum(one.tokens for one in first.values())
