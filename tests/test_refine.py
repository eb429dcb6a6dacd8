"""Self-refine and chain-of-verification: the two-state chain, the stop by an oracle, and what each draw gets to see."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from math import sqrt

import pytest

from ponder.errors import BudgetExhausted, InputError, ModelError
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Score
from ponder.verifiers.check import Check
from scripted import Scripted, talk

PROBLEM = problems(1)[0]
ORACLE = PROBLEM.task.verifier


def solved(model, strategy, count, **settings):
    """The answers to so many problems."""

    async def main():
        return await asyncio.gather(*(solve(one, model=model, strategy=strategy, **settings) for one in problems(count)))

    return list(zip(problems(count), asyncio.run(main()), strict=True))


def chains(answer):
    """The answers of each chain of attempts, read from the trace's own line."""
    found = {}
    for event in Trace.read(answer.trace.line()).events:
        if event.kind == "attempted":
            found.setdefault(event.data["chain"], []).append(event.data["answer"])
    return list(found.values())


def within(p, count):
    """Four standard errors of a share of `count`."""
    return 4 * sqrt(p * (1 - p) / count) + 1e-9


@pytest.mark.parametrize(("p", "fixes", "breaks"), [(0.3, 0.3, 0.1), (0.9, 0.1, 0.3), (0.6, 0.3, 0.2)])
def test_refining_blindly_is_a_markov_chain_of_two_states(p, fixes, breaks):
    """acc_t = acc_inf + (acc_0 - acc_inf) (1 - fix - break)^t with acc_inf = fix / (fix + break): better iff acc_0 is below it."""
    model, limit = Simulated(accuracy=p, steps=1, words=1, fixes=fixes, breaks=breaks), fixes / (fixes + breaks)
    found = solved(model, "self-refine", 100)
    measured = [sum(answer.candidates[turn].answer == one.reference for one, answer in found) / 100 for turn in range(5)]
    for turn, share in enumerate(measured):
        expected = limit + (p - limit) * (1 - fixes - breaks) ** turn
        assert share == pytest.approx(expected, abs=within(expected, 100))
    assert sum(answer.answer == one.reference for one, answer in found) / 100 == measured[-1]
    if p != limit:
        assert (measured[-1] > measured[0]) == (p < limit)


def test_what_was_mended_and_what_was_spoilt_can_be_counted_from_the_trace():
    """wrong -> right of all wrong ones: fix; right -> wrong of all right ones: break."""
    model = Simulated(accuracy=0.5, steps=1, words=1, fixes=0.25, breaks=0.1)
    moves = [
        (before == one.reference, after == one.reference)
        for one, answer in solved(model, "self-refine", 120)
        for [attempts] in [chains(answer)]
        for before, after in pairwise(attempts)
    ]
    wrong, right = ([after for before, after in moves if before is state] for state in (False, True))
    assert len(moves) == 120 * 4
    assert sum(wrong) / len(wrong) == pytest.approx(0.25, abs=within(0.25, len(wrong)))
    assert 1 - sum(right) / len(right) == pytest.approx(0.1, abs=within(0.1, len(right)))


def test_stopped_by_an_oracle_it_only_gets_better_and_says_that_it_was_one():
    """1 - (1-p) (1-fix)^rounds, however much a further round would break."""
    model = Simulated(accuracy=0.3, steps=1, words=1, fixes=0.2, breaks=0.9)
    shares = []
    for rounds in (1, 2, 4):
        found = solved(model, "self-refine", 120, rounds=rounds, verifier=ORACLE)
        shares.append(sum(answer.answer == one.reference for one, answer in found) / 120)
        expected = 1 - 0.7 * 0.8**rounds
        assert shares[-1] == pytest.approx(expected, abs=within(expected, 120))
        for one, answer in found:
            assert answer.oracle
            assert all(version.answer != one.reference for version in answer.candidates[:-1])
    assert shares == sorted(shares)
    assert not solve_sync(PROBLEM, model=model, strategy="self-refine").oracle


def test_a_verifier_that_is_never_certain_chooses_the_latest_of_the_best():
    level = Check("level", "nothing", lambda problem, text: Score(0.5 if "2" in text else 0.1))
    model = Scripted(lambda request: f"answer {len(model.requests)}" if "Check" not in talk(request)[-200:] else "verdict: wrong")
    answer = solve_sync(PROBLEM, model=model, strategy="self-refine", verifier=level)
    assert [one.answer for one in answer.candidates] == ["1", "3", "5", "7", "9"]
    assert answer.answer == "9"
    better = replace(level, grade=lambda problem, text: Score(0.5 if text == "answer 3" else 0.1))
    object.__setattr__(model, "requests", [])
    assert solve_sync(PROBLEM, model=model, strategy="self-refine", verifier=better).answer == "3"


@pytest.mark.parametrize(
    ("critique", "rounds"),
    [
        ("All steps hold.\nverdict: right", 0),
        ("**Verdict:** right", 0),
        ("I cannot say that it is correct. The second step is wrong.\nverdict: wrong", 3),
        ("verdict: right? No, the sum is off.\nverdict: wrong", 3),
        ("it is correct", 3),
    ],
)
def test_it_ends_where_the_last_verdict_is_that_it_is_right(critique, rounds):
    model = Scripted(lambda request: critique if "verdict" in request.messages[-1].content[:250] else "answer 0")
    answer = solve_sync(PROBLEM, model=model, strategy="self-refine", rounds=3)
    assert len(answer.candidates) == 1 + rounds
    assert answer.usage["judge"].calls == max(1, rounds)
    assert answer.usage["policy"].calls == 1 + rounds


def test_a_revision_sees_the_last_solution_and_its_critique():
    said = iter(["answer 1", "the first is off", "answer 2", "the second is off", "answer 3"])
    model = Scripted(lambda request: next(said))
    answer = solve_sync(PROBLEM, model=model, strategy="self-refine", rounds=2)
    *_, criticised, revised = model.requests
    assert [message.role for message in revised.messages] == ["user", "assistant", "user"]
    assert criticised.messages[:-1] == revised.messages[:-1]
    assert revised.messages[1].content == "answer 2"
    assert revised.messages[2].content.startswith("the second is off\n\n")
    assert answer.answer == "3"


def test_a_failed_draw_loses_its_round_and_only_when_all_fail_is_it_an_error():
    model = Simulated(faults={"refuse": 0.25}, abilities=replace(ABLE, n=False))
    lengths = {len(answer.candidates) for _, answer in solved(model, "self-refine", 40)}
    assert max(lengths) == 5
    assert len(lengths) > 2
    with pytest.raises(ModelError, match=r"none of 5 draws from `simulated` gave a solution; the first because: .*refused"):
        solve_sync(PROBLEM, model=Simulated(faults={"refuse": 1.0}), strategy="self-refine")


def test_at_the_budgets_limit_the_last_solution_stands():
    answer = solve_sync(PROBLEM, model=Simulated(fixes=0.5), strategy="self-refine", budget="4 calls")
    assert (len(answer.candidates), answer.stopped) == (2, "budget")
    with pytest.raises(BudgetExhausted):
        solve_sync(PROBLEM, model=Simulated(), strategy="self-refine", budget="2")


@pytest.mark.parametrize("spec", ["self-refine(rounds=0)", "chain-of-verification(questions=0)"])
def test_nothing_to_do_is_an_error(spec):
    with pytest.raises(InputError, match="must be above 0, and is 0"):
        solve_sync(PROBLEM, model=Simulated(), strategy=spec)


DRAFT = "the secret draft says\nanswer 7"
PLAN = "Some questions:\n1. What is 2+2?\n- 3+4 is what?\nWhat is 2+2?\nno question\n3) Is 5 prime?\n"


def verifying(request):
    asked = request.messages[-1].content
    if asked == PROBLEM.question:
        return DRAFT
    if "as questions" in asked:
        return PLAN
    return f"it is {len(asked)}" if len(request.messages) == 1 else "answer 8"


def test_the_answers_to_the_questions_do_not_see_the_draft():
    """Factored: of the five draws, those that answer a question hold that question and nothing else."""
    model = Scripted(verifying)
    answer = solve_sync(PROBLEM, model=model, strategy="chain-of-verification")
    draft, plan, *alone, revised = model.requests
    questions = ["What is 2+2?", "3+4 is what?", "Is 5 prime?"]
    assert [[message.content for message in request.messages] for request in alone] == [[question] for question in questions]
    assert all("secret" not in talk(request) and "simulated" not in talk(request) for request in (draft, *alone)[1:])
    assert "secret draft" in talk(plan)
    assert "secret draft" in talk(revised)
    assert all(f"{question} it is {len(question)}" in revised.messages[-1].content for question in questions)
    assert ([one.answer for one in answer.candidates], answer.answer) == (["7", "8"], "8")
    assert {role: usage.calls for role, usage in answer.usage.items()} == {"policy": 2, "judge": 4}


def test_there_are_no_more_questions_than_asked_for_and_a_draft_without_any_stands():
    model = Scripted(verifying)
    solve_sync(PROBLEM, model=model, strategy="chain-of-verification", questions=2)
    assert len(model.requests) == 5
    silent = Scripted(lambda request: DRAFT)
    answer = solve_sync(PROBLEM, model=silent, strategy="chain-of-verification")
    assert (answer.answer, len(silent.requests)) == ("7", 2)


@pytest.mark.parametrize(("settled", "attempts"), [(0, 6), (1, 1), (2, 2), (3, 3)])
def test_a_chain_that_comes_to_rest_is_not_refined_further(settled, attempts):
    """A model that changes nothing and is never content: `settled` equal answers in a row end it, 0 never does."""
    model = Scripted(lambda request: "verdict: wrong" if "Do not give" in request.messages[-1].content else "answer 7")
    answer = solve_sync(PROBLEM, model=model, strategy="self-refine", rounds=5, settled=settled)
    assert [len(chain) for chain in chains(answer)] == [attempts]
    assert sum(event.kind == "settled" for event in answer.trace.events) == bool(settled)
