"""Reflexion: which tests it runs and which it never sees, what it says of failures, and what wrong tests do to it."""

import asyncio
from dataclasses import replace
from math import sqrt

import pytest

from ponder.errors import InputError
from ponder.models.simulated import Simulated, dice
from ponder.solve import solve, solve_sync
from ponder.tasks.free import problem as asked
from ponder.tasks.simulated import problems
from ponder.verifiers import code as code_module
from ponder.verifiers.code import Code
from ponder.verifiers.sandbox import Asserts, Prints, Verdict
from scripted import Scripted, talk
from walls import bubblewrap

RIGHT, WRONG = "def double(x):\n    return 2 * x", "def double(x):\n    return x * x"
HIDDEN = Asserts("assert double(5) == 10")


def doubling(**data):
    """Whose examples `WRONG` passes at 2, and fails at 3; the hidden test is at 5."""
    task = replace(asked("?").task, extract=lambda _, text: text if "def " in text else None, verifier=Code())
    return replace(asked("Double a number."), task=task, data={"tests": (HIDDEN,), **data})


PROBLEM = doubling(examples=(Asserts("assert double(2) == 4"), Asserts("assert double(3) == 6")))


def writing(programs, tests="", reflection="It squares."):
    """A model that writes these programs in turn, these tests, and this reflection."""
    said = iter(programs)

    def say(request):
        told = request.messages[-1].content
        return tests if "tests of the function" in told else reflection if "Write no program" in told else next(said)

    return Scripted(say)


def hidden(answer):
    """What the hidden tests say of each attempt."""
    return [score.value for score in asyncio.run(Code()(PROBLEM, [one.sample for one in answer.candidates]))]


@bubblewrap
def test_a_failed_example_is_reflected_on_and_mended():
    model = writing([WRONG, RIGHT])
    answer = solve_sync(PROBLEM, model=model, strategy="reflexion")
    assert [one.value for one in answer.candidates] == [0.0, 1.0]
    assert (answer.answer, hidden(answer)) == (RIGHT, [0.0, 1.0])
    report = "passed: assert double(2) == 4\nfailed: assert double(3) == 6\ntest 2 of 2: failed: AssertionError"
    _, reflected, rewritten = model.requests
    assert [message.content for message in reflected.messages[:2]] == ["Double a number.", WRONG]
    assert report in reflected.messages[-1].content
    assert f"{report}\n\nIt squares." in rewritten.messages[-1].content
    assert {role: usage.calls for role, usage in answer.usage.items()} == {"policy": 2, "judge": 1}


@bubblewrap
def test_own_tests_that_are_wrong_let_a_wrong_program_through_and_the_trace_shows_it():
    """The false positive of the paper's MBPP: it ends with a score of 1 by these tests, and 0 by the hidden ones."""
    model = writing([WRONG, RIGHT], tests="```python\nassert double(0) == 0\nassert double(2) == 4\n```")
    answer = solve_sync(PROBLEM, model=model, strategy="reflexion(tests=own)")
    assert (len(answer.candidates), answer.answer, hidden(answer)) == (1, WRONG, [0.0])
    [scored] = [event for event in answer.trace.events if event.kind == "scored"]
    assert (scored.data["verifier"], scored.data["value"], scored.data["steps"]) == ("visible tests", 1.0, (1.0, 1.0))
    assert [event.data["cases"] for event in answer.trace.events if event.kind == "tests"] == [
        ["assert double(0) == 0", "assert double(2) == 4"]
    ]
    assert not answer.oracle


@bubblewrap
def test_own_tests_that_are_wrong_turn_a_right_program_back():
    model = writing([RIGHT, WRONG], tests="assert double(3) == 9")
    answer = solve_sync(PROBLEM, model=model, strategy="reflexion(tests=own)")
    assert ([one.value for one in answer.candidates], hidden(answer)) == ([0.0, 1.0], [1.0, 0.0])
    assert answer.answer == WRONG


@bubblewrap
def test_it_never_sees_the_hidden_tests():
    model = writing([WRONG] * 3, tests="assert double(3) == 6")
    for problem in (PROBLEM, doubling()):
        solve_sync(problem, model=model, strategy="reflexion(trials=1)")
    assert not any("double(5)" in talk(request) for request in model.requests)
    assert len(model.requests) == 1 + 2, "the problem that shows no examples is tried on the model's own tests"


@bubblewrap
def test_a_script_is_shown_what_it_must_print():
    problem = doubling(examples=(Prints("3", "6"),))
    problem = replace(problem, task=replace(problem.task, extract=lambda _, text: text))
    model = writing(["print(int(input()) + 2)", "print(int(input()) * 2)"])
    answer = solve_sync(problem, model=model, strategy="reflexion")
    assert [one.value for one in answer.candidates] == [0.0, 1.0]
    assert "failed: for the input\n3\nit must print\n6\n" in model.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assert f(1) == 2\nassert f(1) == 2\nassert f( == 3\nassert True", ["assert f(1) == 2"]),
        ("\n".join(f"assert f({n})" for n in range(9)), [f"assert f({n})" for n in range(6)]),
    ],
)
def test_its_own_tests_are_single_assertions_each_once_and_at_most_six(text, expected, monkeypatch):
    ran = []

    async def tried(program, cases, limits):
        ran.extend(case.code for case in cases)
        return [Verdict("passed")] * len(cases)

    monkeypatch.setattr(code_module, "tried", tried)
    solve_sync(doubling(), model=writing([RIGHT], tests=text), strategy="reflexion")
    assert ran == expected


def test_without_any_tests_the_first_program_stands():
    answer = solve_sync(doubling(), model=writing([WRONG, RIGHT], tests="I cannot think of any."), strategy="reflexion")
    assert (answer.answer, len(answer.candidates), answer.candidates[0].value) == (WRONG, 1, None)


@pytest.mark.parametrize(("tpr", "fpr"), [(0.9, 0.2), (0.4, 0.8)])
def test_tests_that_pass_wrong_programs_more_than_right_ones_make_it_worse(tpr, fpr, monkeypatch):
    """With a = p tpr + (1-p) fpr, T trials give p tpr (1 - (1-a)^T) / a + p (1-tpr) (1-a)^(T-1): below p iff tpr < fpr."""
    p, trials, count = 0.5, 4, 300
    model = Simulated(accuracy=p, steps=1, words=1, fixes=p, breaks=1 - p)  # every attempt is right with p, whatever was before
    rates = {True: tpr, False: fpr}

    async def tried(program, cases, limits):
        name, answer = program.rsplit(" ", 1)
        passes = dice(name).random() < rates[answer == name.split()[0]]
        return [Verdict("passed" if passes else "failed")]

    def numbered(problem, text):
        drawn.append(text)
        return f"{problem.question.split()[-1]} {len(drawn)} {text.split()[-1]}"

    drawn = []
    monkeypatch.setattr(code_module, "tried", tried)
    task = replace(problems(1)[0].task, extract=numbered)
    asked = [replace(one, task=task, data={"examples": (HIDDEN,)}) for one in problems(count)]

    async def main():
        return await asyncio.gather(*(solve(one, model=model, strategy="reflexion", trials=trials) for one in asked))

    right = [answer.text.split()[-1] == one.reference for answer, one in zip(asyncio.run(main()), asked, strict=True)]
    accepts = p * tpr + (1 - p) * fpr
    expected = p * tpr * (1 - (1 - accepts) ** trials) / accepts + p * (1 - tpr) * (1 - accepts) ** (trials - 1)
    assert sum(right) / count == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / count))
    assert (expected < p) == (tpr < fpr)
    assert (sum(right) / count < p) == (tpr < fpr)


def test_only_two_kinds_of_tests_are_known():
    model = writing([RIGHT])
    with pytest.raises(InputError, match="`tests` is examples or own, and not 'hidden'"):
        solve_sync(PROBLEM, model=model, strategy="reflexion(tests=hidden)")
    assert not model.requests
