"""Switches held back: once at each place, and with what probability the thought then comes to its end."""

import importlib.util
from dataclasses import replace
from functools import cache
from math import sqrt
from pathlib import Path

import pytest

from ponder.errors import InputError, ModelError
from ponder.lab.thinking import switches
from ponder.solve import solve_sync
from ponder.tasks.simulated import problems
from scripted import ONE_BY_ONE, Scripted

PROBLEM = problems(1)[0]

spec = importlib.util.spec_from_file_location("benchmark", Path(__file__).parents[1] / "benchmarks" / "thinking.py")
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


def answered(model, patience, count=200, **limits):
    return [
        solve_sync(one, model=model, strategy=f"think(waits=0,patience={patience})", **{"max_tokens": 400} | limits)
        for one in problems(count)
    ]


def held(answer):
    return [event.data for event in answer.trace.events if event.kind == "held"]


def completes(switch, depth, sentences):
    """P(some thought lasts `depth` sentences within so many), if each but a thought's first begins with a switch of this chance."""

    @cache
    def of(left):
        if left < depth:
            return 0.0
        given_up = sum((1 - switch) ** (k - 1) * switch * of(left - k) for k in range(1, depth))
        return (1 - switch) ** (depth - 1) + given_up

    return of(sentences)


@pytest.mark.parametrize("restless", [0.3, 0.5])
def test_a_switch_of_probability_s_comes_with_s_squared(restless):
    """Thoughts of 4 sentences within 10: P(one is finished) by recursion, with s where nothing is held back and s² where all is."""
    model, count = benchmark.Wanderer(restless=restless, depth=4, limit=10, abilities=benchmark.ALONE), 150
    for patience, chance in ((0, restless), (99, restless**2)):
        expected = completes(chance, 4, 10)
        right = (
            sum(a.answer == one.reference for a, one in zip(answered(model, patience, count), problems(count), strict=True)) / count
        )
        assert right == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / count))


def test_what_is_held_back_is_in_the_trace_and_in_the_bill():
    model = benchmark.Wanderer(restless=0.5, depth=5, limit=12, abilities=benchmark.ALONE)
    for answer in answered(model, 99, 10):
        drawn = [event.data for event in answer.trace.events if event.kind == "drawn"]
        assert len(drawn) == 1 + len(held(answer)) + switches(answer.text)
        assert all(one["switch"] == "Alternatively" and one["tokens"] > 0 for one in held(answer))
        [candidate] = answer.candidates
        assert candidate.sample.usage == answer.usage["policy"]
        assert candidate.sample.usage.completion == sum(one["usage"]["completion"] for one in drawn) <= 400


def test_a_switch_after_enough_tokens_stands():
    """Thoughts of 1 + 4 k tokens; with patience below that of the first sentence nothing is held back."""
    model = benchmark.Wanderer(restless=0.5, depth=5, limit=12, abilities=benchmark.ALONE)
    assert not any(held(answer) for answer in answered(model, 4, 10))


def writing(text, **settings):
    """A model that writes this text, from wherever it is."""
    rest = text.partition("</think>")[2]
    return Scripted(
        lambda request: rest.lstrip() if "</think>" in request.prefix else text.removeprefix(request.prefix), **settings
    )


def test_at_each_place_it_is_held_back_once():
    """A model that switches however often it is asked is drawn twice at each switch, and then may."""
    text = "first, no. Wait, second. Wait, third. answer 7"
    model = writing(text)
    [answer] = answered(model, 50, 1)
    assert (answer.text, answer.answer) == (text, "7")
    assert [one["switch"] for one in held(answer)] == ["Wait", "Wait"]
    assert [request.prefix for request in model.requests] == [
        "", "first, no. ", "first, no. Wait", "first, no. Wait, second. ", "first, no. Wait, second. Wait"
    ]  # fmt: skip


@pytest.mark.parametrize("patience", [2, 99])
@pytest.mark.parametrize("named", [True, False])
def test_the_closing_tag_ends_the_thinking_as_before(named, patience):
    """With tags the answer is drawn after them, whether or not the model says what ended its draw."""
    text = "<think> seven. Alternatively eight. </think>\n\nanswer 7"
    model = writing(text, abilities=replace(ONE_BY_ONE, names_stop=named))
    [answer] = answered(model, patience, 1)
    [candidate] = answer.candidates
    assert (answer.text, answer.answer) == ("answer 7", "7")
    assert candidate.sample.reasoning.split() == ["seven.", "Alternatively", "eight."]
    assert len(held(answer)) == (patience == 99)


def test_without_switches_it_is_what_it_was():
    model = Scripted(lambda request: "so it is seven\nanswer 7")
    plain, patient = (solve_sync(PROBLEM, model=model, strategy=f"think(waits=0,patience={size})") for size in (0, 600))
    assert (plain.text, plain.answer, plain.usage) == (patient.text, patient.answer, patient.usage)


def test_the_stretch_keeps_within_its_tokens_and_the_budget():
    model = benchmark.Wanderer(restless=0.6, abilities=benchmark.ALONE)
    for limit in (10, 30):
        for answer in answered(model, 99, 5, max_tokens=limit):
            assert all(event.data["tokens"] <= limit for event in answer.trace.events if event.kind == "thought")
    for budget in (40, 80, 160):
        [answer] = answered(model, 99, 1, budget=str(budget), max_tokens=20)
        assert answer.usage["policy"].computed <= budget


def test_a_draw_that_fails_midway_leaves_what_was_thought():
    model = benchmark.Wanderer(restless=0.5, faults={"refuse": 0.3}, abilities=benchmark.ALONE)
    kept = failed = 0
    for one in problems(30):
        try:
            answer = solve_sync(one, model=model, strategy="think(waits=0,patience=99)", max_tokens=400)
            kept += any(event.data["error"] for event in answer.trace.events if event.kind == "drawn")
        except ModelError:
            failed += 1
    assert kept
    assert failed < 20


def test_no_negative_patience():
    with pytest.raises(InputError, match="settled and patience"):
        solve_sync(PROBLEM, model=benchmark.Wanderer(), strategy="think(patience=-1)")
