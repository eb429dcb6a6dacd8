"""Formats of answers: what is valid, what is refused before anything is spent, and how JSON answers are voted on."""

import asyncio

import pytest

from ponder.serve.ask import Format
from ponder.serve.errors import Refusal
from ponder.serve.format import Conforms, faults, formatted
from ponder.tasks import free
from ponder.types import Call, Sample, Score
from ponder.verifiers.check import Check

NUMBERED = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/count"}},
    "required": ["n"],
    "$defs": {"count": {"type": "integer"}},
}


def test_an_answer_is_valid_json_of_the_schema_or_it_is_said_what_is_wrong():
    fault, plain = faults(Format(NUMBERED)), faults(Format(None))
    assert fault('{"n": 3, "more": []}') is None
    assert "$.n" in fault('{"n": "3"}')
    assert "required" in fault("{}")
    assert "not JSON" in fault("Sure! {}")
    assert "not JSON" in fault("[" * 100_000)
    assert plain("{}") is None
    assert plain("[]") is not None
    assert "does not hold" in faults(Format({"$ref": "#/$defs/none"}))("{}")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"properties": {"a": {"pattern": "(a+)+$"}}},
        {"items": {"$ref": "https://example.org/schema.json"}},
        {"anyOf": [{"patternProperties": {"x": {}}}]},
    ],
)
def test_a_schema_that_is_none_or_cannot_be_checked_safely_is_refused(schema):
    with pytest.raises(Refusal) as refused:
        faults(Format(schema))
    assert refused.value.status == 400
    assert faults(Format({"properties": {"pattern": {"type": "string"}}})) is not None  # a name is no keyword


def test_equal_values_are_equal_answers_and_what_is_invalid_is_none():
    task = formatted(free.free, faults(Format(NUMBERED)))
    problem = free.problem("How many?")
    first, second, wrong = (task.extract(problem, text) for text in ('{"n": 1, "a": "X"}', '{ "a":"X","n":1 }', '{"a": "X"}'))
    assert task.canonical(first) == task.canonical(second)
    assert task.canonical(first) != task.canonical(first.lower())
    assert wrong is None


def test_what_does_not_validate_loses_before_any_other_verifier_is_asked():
    seen = []

    def grade(problem, text):
        seen.append(text)
        return Score(0.5)

    fault = faults(Format(NUMBERED))
    samples = [Sample('{"n": 1}'), Sample("no"), Sample("", calls=(Call("1", "f", "{}"),))]
    problem = free.problem("How many?")
    scores = asyncio.run(Conforms(fault, Check("half", "nothing", grade))(problem, samples))
    assert [one.value for one in scores] == [0.5, 0.0, 0.5]
    assert seen == ['{"n": 1}', ""]
    assert [one.value for one in asyncio.run(Conforms(fault)(problem, samples))] == [1.0, 0.0, 1.0]
