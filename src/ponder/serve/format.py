"""JSON answers: what does not validate neither wins nor votes. The check reads only the answer, and goes before other verifiers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ponder.serve.ask import Format
from ponder.serve.errors import Refusal
from ponder.types import Problem, Reads, Sample, Score, Task, Verifier
from ponder.verifiers.evidence import Evidence, weakest

_UNCHECKED = {"pattern", "patternProperties"}

Fault = Callable[[str], str | None]
"""What is wrong with an answer; None if it is as it was asked for."""


def faults(form: Format) -> Fault:
    """The check of a format. Raises `Refusal` for a schema that is none, or that cannot be checked safely here.

    A reference to another document would be fetched, and a regular expression of a client's may run for ever: both are refused.
    """
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    schema = {"type": "object"} if form.schema is None else form.schema
    for key, value in _keys(schema):
        if key in _UNCHECKED or (key == "$ref" and not str(value).startswith("#")):
            raise _refused(f"`{key}` is not supported in a schema: it cannot be checked safely")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _refused(f"the schema is not valid: {error.message[:200]}") from error
    checked = Draft202012Validator(schema, registry=Registry())

    def fault(text: str) -> str | None:
        try:
            found = next(checked.iter_errors(json.loads(text)), None)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        except Unresolvable as error:
            return f"the schema refers to what it does not hold: {error}"
        return None if found is None else f"{found.json_path}: {found.message[:200]}"

    return fault


def _refused(why: str) -> Refusal:
    return Refusal(400, why, "invalid_json_schema", "response_format")


def _keys(schema: Any) -> Iterator[tuple[str, Any]]:
    """All keys of a schema that are its own words, and not names of properties."""
    if isinstance(schema, list):
        for one in schema:
            yield from _keys(one)
    if not isinstance(schema, Mapping):
        return
    for key, value in schema.items():
        yield key, value
        named = key in ("properties", "$defs", "definitions", "dependentSchemas") and isinstance(value, Mapping)
        if key not in ("enum", "const", "default", "examples"):
            yield from _keys(list(value.values()) if named else value)


def formatted(task: Task, fault: Fault) -> Task:
    """The task whose answers are JSON: what does not validate is no answer, and equal values are equal answers."""

    def extract(_: Problem, text: str) -> str | None:
        return None if fault(text) else json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    return replace(task, extract=extract, canonical=str)


@dataclass(frozen=True, slots=True)
class Conforms:
    """0 for what does not validate, else the word of `then`, or 1 where there is no other verifier."""

    fault: Fault
    then: Verifier | None = None

    @property
    def name(self) -> str:
        return "format" + (f"+{self.then.name}" if self.then else "")

    @property
    def reads(self) -> Reads:
        return self.then.reads if self.then else "nothing"

    @property
    def evidence(self) -> Evidence:
        return weakest([self.then]) if self.then else "check"

    @property
    def logprobs(self) -> bool:
        return getattr(self.then, "logprobs", False)

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        wrong = [None if one.calls else self.fault(one.prefix + one.text) for one in samples]
        valid = [one for one, fault in zip(samples, wrong, strict=True) if fault is None]
        given = await self.then(problem, valid) if self.then and valid else [Score(1.0)] * len(valid)
        scores = iter(given)
        return [next(scores) if fault is None else Score(0.0, error=fault) for fault in wrong]
