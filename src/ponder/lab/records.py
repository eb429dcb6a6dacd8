"""One recorded sample a record, whatever its row looked like: fields found by name, lists taken apart, values checked.

A row holds one sample, or the samples of one problem as lists beside each other. Values that mean nothing raise `InputError` with
the row's place, the field, the value and what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder.errors import InputError
from ponder.lab.logs import Row

FIELDS: Mapping[str, tuple[str, ...]] = {
    "problem": (
        "problem",
        "problem_id",
        "problem_idx",
        "question_id",
        "unique_id",
        "task_id",
        "doc_id",
        "question",
        "prompt",
        "id",
    ),
    "answer": ("answers", "answer", "extracted_answer", "prediction", "pred"),
    "text": ("text", "completion", "response", "generation", "output", "completions", "responses", "generations", "samples"),
    "reference": ("reference", "gold", "target", "ground_truth", "gold_answer", "answer"),
    "correct": ("correct", "is_correct", "passed"),
    "score": ("score", "reward", "scores", "prm_score"),
    "steps": ("steps", "step_scores"),
    "confidence": ("confidence",),
    "tokens": ("tokens", "completion_tokens", "output_tokens", "num_tokens"),
    "num_samples": ("num_samples",),
    "num_correct": ("num_correct",),
}
"""Each field and the names it goes by; the first that a row has is taken."""

_EACH = ("text", "answer", "correct", "score", "steps", "confidence", "tokens")  # one of them for each sample
_TRUTH = {"true": 1.0, "yes": 1.0, "correct": 1.0, "pass": 1.0, "passed": 1.0, "1": 1.0} | {
    "false": 0.0, "no": 0.0, "incorrect": 0.0, "wrong": 0.0, "fail": 0.0, "failed": 0.0, "0": 0.0,
}  # fmt: skip


class _Missing:
    """A row does not have the field, which is not the same as null."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(slots=True)
class Record:
    """A sample of `problem`, or with `num_samples` the counts of all of them. What is not known is None.

    `answered` says that the row had an answer field: `answer` None then means that there was no answer, and `text` is not searched.
    `steps` holds the scores of the sample's steps that have one.
    """

    place: str
    problem: str
    answer: str | None = None
    answered: bool = False
    text: str | None = None
    reference: str | None = None
    correct: float | None = None
    score: float | None = None
    steps: tuple[float, ...] = ()
    confidence: float | None = None
    tokens: float | None = None
    num_samples: int | None = None
    num_correct: int | None = None


@dataclass(slots=True)
class Fields:
    """Where to look for each field: `given` names some of them (`NAME`, a path `a.b`, or for `correct` also `NAME=VALUE`).

    A path steps into objects; a number takes that element of a list, `*` or a name goes through all of its elements.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    _layouts: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.given:
            if name not in FIELDS:
                raise InputError(f"there is no field `{name}`; give --field FIELD=NAME with a FIELD of {', '.join(FIELDS)}")

    def records(self, place: str, row: Row) -> Iterator[Record]:
        """The row's samples."""
        layout = self._layout(row)
        values = {name: _at(row, path) for name, path in layout.items()}
        if "=" in self.given.get("correct", ""):
            values["correct"] = _equal(values.get("correct", MISSING), self.given["correct"].partition("=")[2])
        problem = values.pop("problem", MISSING)
        if problem is MISSING or problem is None or isinstance(problem, list | dict):
            raise InputError(
                f"{place}: no text or number among the fields {list(row)!r:.150} says which problem the sample is of; "
                f"name it with --field problem=NAME"
            )
        if isinstance(values.get("text"), list) and not isinstance(values.get("answer", []), list) and "reference" not in values:
            values["reference"] = values.pop("answer")  # one answer beside many completions is the right one
        common = {"place": place, "problem": str(problem), "reference": _answer(values.pop("reference", None))}
        for each in _apart(place, values):
            yield _record(common, each)

    def _layout(self, row: Row) -> dict[str, str]:
        """Field -> where it is in rows with these keys."""
        keys = tuple(row)
        if keys not in self._layouts:
            given = {name: path.partition("=")[0] if name == "correct" else path for name, path in self.given.items()}
            taken = set(given.values())
            found = dict(given)
            for name, aliases in FIELDS.items():
                alias = next((one for one in aliases if one in row and one not in taken), None)
                if name not in found and alias is not None:
                    found[name] = alias
                    taken.add(alias)
            self._layouts[keys] = found
        return self._layouts[keys]


def _at(value: Any, path: str) -> Any:
    """What stands at a dotted path; `MISSING` where a step leads nowhere."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    step, _, rest = path.partition(".")
    if isinstance(value, list):
        if step.isdecimal():
            inner = value[int(step)] if int(step) < len(value) else MISSING
            return _at(inner, rest) if rest else inner
        inside = rest if step == "*" else path
        return [_at(one, inside) if inside else one for one in value]
    if not isinstance(value, Mapping) or step not in value:
        return MISSING
    return _at(value[step], rest) if rest else value[step]


def _equal(value: Any, wanted: str) -> Any:
    """Correct where the value, as text, is the wanted one."""
    if isinstance(value, list):
        return [_equal(one, wanted) for one in value]
    return value if value is MISSING or value is None else str(value) == wanted


def _apart(place: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The values of each sample of a row: the lists taken apart where the row holds several samples."""
    whole = {name: value for name, value in values.items() if value is not MISSING}
    text, answer, correct = (whole.get(name) for name in ("text", "answer", "correct"))
    wide = isinstance(text, list) or isinstance(correct, list)
    if not wide and not (isinstance(answer, list) and text is None and correct is None):
        yield whole
        return
    lists = {name: value for name, value in whole.items() if name in _EACH and value is not None}
    size = len(text if isinstance(text, list) else correct if isinstance(correct, list) else answer or [])
    for name, value in lists.items():
        if not isinstance(value, list) or len(value) != size:
            found = f"{len(value)} values" if isinstance(value, list) else f"{value!r:.40}"
            raise InputError(
                f"{place}: the row holds {size} samples, and `{name}` is {found}: give a list of as many, or name another field "
                f"with --field {name}=NAME (an empty NAME leaves it out)"
            )
    for index in range(size):
        yield {name: value[index] for name, value in lists.items()}


def _record(common: Mapping[str, Any], each: Mapping[str, Any]) -> Record:
    place = common["place"]
    record = Record(**common)
    if each.get("num_samples") is not None or each.get("num_correct") is not None:
        record.num_samples, record.num_correct = (_count(place, name, each.get(name)) for name in ("num_samples", "num_correct"))
        if record.num_correct > record.num_samples:
            raise InputError(
                f"{place}: {record.num_correct} correct of {record.num_samples} samples; num_correct is at most num_samples"
            )
        return record
    for name, value in each.items():
        if value is MISSING:
            continue
        match name:
            case "answer":
                record.answer, record.answered = _answer(value), True
            case "text":
                record.text = _text(place, value)
            case "correct":
                record.correct = _truth(place, value)
            case "score" | "steps":
                _scored(record, name, value)
            case "confidence":
                values = _numbers(place, name, value)
                record.confidence = math.fsum(values) / len(values) if values else None
            case "tokens":
                record.tokens = _tokens(place, value)
    return record


def _scored(record: Record, name: str, value: Any) -> None:
    """A list of scores is the steps', a number the sample's."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed(record.place, name, value)
    if isinstance(value, list):
        record.steps = _numbers(record.place, name, value)
    elif name == "steps" and value is not None:
        raise InputError(f"{record.place}: `steps` is no list but {value!r:.60}: give the score of each step, or name it `score`")
    else:
        values = _numbers(record.place, name, value)
        record.score = values[0] if values else None


def _answer(value: Any) -> str | None:
    """Any answer as text; None where there is none."""
    if value is None or value is MISSING or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def _text(place: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InputError(f"{place}: `text` is not a text but {value!r:.60}; name the completion's field with --field text=NAME")


def _truth(place: str, value: Any) -> float | None:
    """A verdict in [0, 1], from a boolean, a number or a word; None where there is none."""
    if value is None:
        return None
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUTH:
            return _TRUTH[word]
        value = _number(word)
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise InputError(
        f"{place}: `correct` is {value!r:.60}: give true or false, or a number from 0 to 1; where another value means correct, "
        f"name it with --field correct=NAME=VALUE"
    )


def _numbers(place: str, name: str, value: Any) -> tuple[float, ...]:
    """The numbers of a list or the one number; nulls and NaN, which are not scored, are left out."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed(place, name, value)
    found = []
    for one in value if isinstance(value, list) else [value]:
        number = _number(one) if isinstance(one, str) else one
        if number is None or number is MISSING:
            continue
        if not isinstance(number, int | float):
            raise InputError(f"{place}: `{name}` holds {one!r:.60}: give numbers; name another field with --field {name}=NAME")
        if not math.isnan(number):
            found.append(float(number))
    return tuple(found)


def _number(text: str) -> float | str | None:
    if text.strip().lower() in ("", "null", "none"):
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _listed(place: str, name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{place}: `{name}` begins like a list and is none: {text[:60]!r} ({error}); write it as JSON") from error


def _tokens(place: str, value: Any) -> float | None:
    """Tokens of the sample; of a list, which counts its parts, the sum."""
    numbers = _numbers(place, "tokens", value)
    if any(number < 0 or math.isinf(number) for number in numbers):
        raise InputError(f"{place}: `tokens` is {value!r:.60}: give a number from 0 up")
    return math.fsum(numbers) if numbers else None


def _count(place: str, name: str, value: Any) -> int:
    number = _number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number) or number < 0:
        raise InputError(
            f"{place}: `{name}` is {value!r:.60}: rows of counts have `num_samples` and `num_correct`, whole numbers from 0 up"
        )
    return int(number)


def chosen(row: Row, where: Sequence[tuple[str, str]]) -> bool:
    """Whether the row's fields have these values, compared as text."""
    return all(str(_at(row, name)) == value for name, value in where)
