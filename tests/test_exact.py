"""Exact match, and the lookup of a verifier by its name."""

import asyncio
from dataclasses import replace

import pytest

from ponder.errors import InputError
from ponder.tasks.free import free, problem
from ponder.types import Sample
from ponder.verifiers import named
from ponder.verifiers.exact import exact

HALF = replace(problem("What is 1 / 2?"), reference="1/2")


@pytest.mark.parametrize(
    ("text", "value"),
    [("so it is 0.50", 1.0), (r"\boxed{\frac{1}{2}} or 3", 1.0), ("the answer is 2", 0.0), ("I cannot say", 0.0), ("", 0.0)],
)
def test_an_answer_is_right_if_it_means_the_reference(text: str, value: float) -> None:
    (score,) = asyncio.run(exact(HALF, [Sample(text)]))
    assert score.value == value


def test_the_prefix_is_part_of_the_completion() -> None:
    (score,) = asyncio.run(exact(HALF, [Sample("2", prefix="answer: 1/")]))
    assert score.value == 1.0


def test_without_a_reference_or_a_finished_draw_the_value_is_unknown() -> None:
    (unknown,) = asyncio.run(exact(problem("Why?"), [Sample("42")]))
    (failed,) = asyncio.run(exact(HALF, [Sample("0.5", error="connection reset")]))
    assert unknown.value is failed.value is None
    assert "no reference" in (unknown.error or "")
    assert "connection reset" in (failed.error or "")


def test_verifiers_are_opened_by_name() -> None:
    own = replace(free, name="own", verifier=exact)
    assert named("task", own) is named("exact", free) is exact
    assert [named(name, free).name for name in ("choice", "exact", "math")] == ["choice", "exact", "math"]
    assert {named(name, free).reads for name in ("choice", "exact", "math")} == {"reference"}


def test_what_cannot_be_opened_says_what_can() -> None:
    with pytest.raises(InputError, match=r"`free` has no verifier of its own; choose one of .*exact.*, math"):
        named("task", free)
    with pytest.raises(InputError, match="did you mean `exact`"):
        named("exakt", free)
