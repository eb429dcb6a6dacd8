"""The guard against drift: what it checks, what it repairs, and that it makes nothing worse silently."""

import asyncio
from dataclasses import replace

import pytest

from ponder.errors import BudgetExhausted
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve, solve_sync
from ponder.tasks import free
from ponder.tasks.simulated import problems
from ponder.trace import Trace
from ponder.types import Message, Score
from ponder.verifiers.check import Check
from scripted import Scripted, talk

ASKED = "Name two cats. Use less than 5 words, and no commas. Be kind."
PROBLEM = free.problem(ASKED)


def guarded(*said, problem=PROBLEM, **settings):
    """The answer of a model that says these in turn, its events by kind, and the model."""
    lines = iter(said)
    model = Scripted(lambda request: next(lines))
    answer = solve_sync(problem, model=model, strategy="drift-check", **settings)
    found = {}
    for event in Trace.read(answer.trace.line()).events:
        found.setdefault(event.kind, []).append(event.data)
    return answer, found, model


def test_an_answer_that_follows_all_is_left_alone():
    answer, events, model = guarded("Tom and Tim")
    assert answer.text == "Tom and Tim"
    assert (len(model.requests), len(events["checked"]), "repaired" in events) == (1, 1, False)
    [checked] = events["checked"]
    assert checked["rules"] == ["length_constraints:number_words", "punctuation:no_comma"]
    assert (checked["faults"], checked["unchecked"]) == ([], ["Name two cats.", "Be kind."])


def test_a_fault_is_named_and_repaired_once():
    answer, events, model = guarded("Well, Tom, and of course Tim", "Tom and Tim")
    assert (answer.text, len(answer.candidates), answer.usage["policy"].calls) == ("Tom and Tim", 2, 2)
    first, second = model.requests
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.messages[0] == first.messages[0]
    told = second.messages[-1].content
    assert "- the number of words is 6, and must be less than 5\n- it has 2 commas\n" in told
    [repaired] = events["repaired"]
    assert (repaired["before"], repaired["after"]) == ("Well, Tom, and of course Tim", "Tom and Tim")
    assert (repaired["by"], repaired["taken"], [len(some) for some in repaired["faults"]]) == ("draw", True, [2, 0])
    assert [len(one["faults"]) for one in events["checked"]] == [2, 0]


@pytest.mark.parametrize("repair", ["Tom, Tim", "Tom and also Tim, if I may say so"])
def test_a_repair_that_fails_no_fewer_checks_is_not_taken(repair):
    answer, events, _ = guarded("Tim, Tom", repair)
    assert answer.text == "Tim, Tom"
    [repaired] = events["repaired"]
    assert (repaired["after"], repaired["taken"]) == (repair, False)
    assert len(events["drawn"]) == 2


def test_a_repair_that_fails_fewer_is_taken_though_it_fails_some():
    assert guarded("Well, Tom, and of course Tim", "Tom, Tim")[0].text == "Tom, Tim"


def test_candidates_that_pass_come_before_a_repair():
    """Of three samples the vote takes the first answer; the second says the same and follows the rules, at no cost."""
    problem = replace(problems(1)[0], messages=(Message("user", "simulated problem 7, with no commas"),))
    said = ("well, answer 7", "answer 7", "answer 8")
    answer, events, model = guarded(*said, problem=problem, sampler="self-consistency(n=3)")
    assert (answer.answer, answer.text, len(model.requests)) == ("7", "answer 7", 3)
    assert [(one["by"], one["taken"], one["before"]) for one in events["repaired"]] == [("candidate", True, "well, answer 7")]


def test_where_answers_can_be_right_a_repair_must_keep_the_answer():
    problem = replace(problems(1)[0], messages=(Message("user", "simulated problem 7, with no commas"),))
    spoilt, events, _ = guarded("well, answer 7", "answer 8", problem=problem)
    assert (spoilt.answer, events["repaired"][0]["taken"]) == ("7", False)
    kept, _, _ = guarded("well, answer 7", "answer 7", problem=problem)
    assert kept.text == "answer 7"
    doubt = Check("doubt", "nothing", lambda _, text: Score(float("8" in text)))
    mended, events, _ = guarded("well, answer 7", "answer 8", problem=problem, verifier=doubt)
    assert (mended.answer, events["repaired"][0]["taken"]) == ("8", True)


def test_what_no_rule_covers_is_the_verifiers():
    kind = Check("kind", "nothing", lambda _, text: Score(0.9 if "dear" in text else 0.2))
    answer, events, model = guarded("Tom and Tim", "dear Tom and Tim", verifier=kind)
    assert answer.text == "dear Tom and Tim"
    assert "- a judge rejects it: 0.2\n" in model.requests[-1].messages[-1].content
    assert [one["unchecked"] for one in events["checked"]] == [[], []]
    unsure = Check("unsure", "nothing", lambda _, text: Score(None, error="who knows"))
    assert guarded("Tom and Tim", verifier=unsure)[0].text == "Tom and Tim"


def test_a_score_that_the_sampler_has_given_is_not_asked_for_again():
    asked = []
    kind = Check("kind", "nothing", lambda _, text: asked.append(text) or Score(0.9))
    guarded("Tom and Tim", "Tim and Tom", verifier=kind, sampler="best-of-n(n=2)")
    assert asked == ["Tom and Tim", "Tim and Tom"]


def test_instructions_of_the_system_are_checked_too_and_those_of_earlier_turns_not():
    turns = (
        Message("system", "Answer in all lowercase."),
        Message("user", "In JSON: hi"),
        Message("assistant", "{}"),
        Message("user", "Why?"),
    )
    _, events, _ = guarded("because it is so and the people like it", problem=replace(PROBLEM, messages=turns))
    assert events["checked"][0]["rules"] == ["change_case:english_lowercase"]


def test_without_room_for_a_repair_the_answer_stands():
    answer, events, model = guarded("Tim, Tom", "Tom", budget="1 call")
    assert (answer.text, answer.stopped, len(model.requests)) == ("Tim, Tom", "budget", 1)
    assert [one["faults"] for one in events["checked"]] == [["it has 1 commas"]]
    with pytest.raises(BudgetExhausted):
        guarded("Tim", budget="3")


def test_what_led_when_the_budget_ended_is_checked():
    """The third of four samples does not fit: the vote of two is checked, and a repair has no room."""
    problem = replace(problems(1)[0], messages=(Message("user", "simulated problem 7, with no commas"),))
    said = ("well, answer 7", "answer 7")
    answer, events, _ = guarded(*said, problem=problem, sampler="self-consistency(n=4)", budget="2 calls")
    assert (answer.text, answer.stopped) == ("answer 7", "budget")
    assert [one["by"] for one in events["repaired"]] == ["candidate"]


def test_a_failed_repair_leaves_the_answer():
    class Failing(Scripted):
        async def stream(self, request):
            if len(request.messages) > 1:
                request = replace(request, seed=0)
                object.__setattr__(self, "faults", {"refuse": 1.0})
            async for chunk in super().stream(request):
                yield chunk

    answer = solve_sync(PROBLEM, model=Failing(lambda request: "Tim, Tom"), strategy="drift-check")
    assert (answer.text, answer.stopped) == ("Tim, Tom", "done")


def test_it_runs_inside_and_around_other_strategies():
    said = {"": "Tim, Tom", "it has 1 commas": "Tim"}
    model = Scripted(lambda request: said["it has 1 commas" if "commas\n" in talk(request) else ""])
    answer = solve_sync(PROBLEM, model=model, strategy="self-consistency(n=3,sampler=drift-check)")
    assert {one.sample.text for one in answer.candidates} == {"Tim"}


@pytest.mark.parametrize(("p", "fixes", "tpr", "fpr"), [(0.3, 0.5, 1.0, 0.0), (0.6, 0.4, 0.9, 0.2)])
def test_a_verifier_that_errs_makes_the_share_that_the_closed_form_says(p, fixes, tpr, fpr):
    """After one repair p + (1-p) (1-fpr) fixes' - p (1-tpr) breaks', where a repair must be accepted: fixes tpr, breaks fpr."""
    from ponder.verifiers.simulated import Imperfect

    breaks, count = 0.3, 300
    model = Simulated(accuracy=p, steps=1, words=1, fixes=fixes, breaks=breaks, abilities=replace(ABLE, n=False))

    async def main():
        judge = Imperfect(problems(1)[0].task.verifier, tpr, fpr)
        return await asyncio.gather(*(solve(one, model=model, strategy="drift-check", verifier=judge) for one in problems(count)))

    right = sum(answer.answer == one.reference for one, answer in zip(problems(count), asyncio.run(main()), strict=True)) / count
    expected = p + (1 - p) * (1 - fpr) * fixes * tpr - p * (1 - tpr) * breaks * fpr
    assert right == pytest.approx(expected, abs=4 * (expected * (1 - expected) / count) ** 0.5)
