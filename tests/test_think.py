"""Budget forcing: exactly so many "Wait", never more than the maximum, every token in the account, and what it buys."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from ponder.errors import AbilityMissing, BudgetExhausted, InputError, ModelError
from ponder.models.simulated import ABLE, Simulated
from ponder.models.thoughts import Thoughts
from ponder.solve import solve, solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities
from scripted import ONE_BY_ONE, Scripted
from test_refine import chains, solved, within

PROBLEM = problems(1)[0]
THINKING = "<think> so it is seven or eight </think>\n\nanswer 7"


def tagged(request):
    """Thinks in tags, and then answers; after "Wait", three words more; answers at once after the closing tag."""
    if "</think>" in request.prefix:
        return "7" if request.prefix.endswith("Answer:") else "answer 7"
    return "\nno it is </think>\n\nanswer 8" if request.prefix else THINKING


class Apart(Scripted):
    """As an endpoint does: where there is no prefix, its thinking comes apart from its text, and without the tags."""

    async def stream(self, request):
        thoughts = None if request.prefix else Thoughts()
        async for chunk in super().stream(request):
            if thoughts is None:
                yield structs.replace(chunk, stop=None)
                continue
            reasoning, text = thoughts.feed(chunk.text)
            if chunk.finish_reason:
                last = thoughts.end()
                reasoning, text = reasoning + last[0], text + last[1]
            yield structs.replace(chunk, reasoning=reasoning, text=text, stop=None)


def thoughts(answer):
    return [event.data for event in answer.trace.events if event.kind == "thought"]


def drawn(answer):
    return [event.data for event in answer.trace.events if event.kind == "drawn"]


def test_with_nothing_forced_it_is_a_plain_draw():
    """n = 0: the text of `direct` with the same seed, and its bill."""
    for seed, one in enumerate(problems(5)):
        forced, plain = (solve_sync(one, model=Simulated(), strategy=name, seed=seed) for name in ("think(waits=0)", "direct"))
        assert (forced.text, forced.answer, forced.usage) == (plain.text, plain.answer, plain.usage)


@pytest.mark.parametrize("waits", [1, 2, 4, 6])
def test_it_waits_exactly_so_many_times(waits):
    untagged = solve_sync(PROBLEM, model=Simulated(), strategy="think", waits=waits)
    assert untagged.text.count("\nWait\nanswer ") == untagged.text.count("Wait") == waits
    assert [len(chain) for chain in chains(untagged)] == [waits + 1]
    for model in (Scripted(tagged), Apart(tagged)):
        answer = solve_sync(PROBLEM, model=model, strategy="think", waits=waits)
        [candidate] = answer.candidates
        assert candidate.sample.reasoning.count("\nWait\nno it is ") == candidate.sample.reasoning.count("Wait") == waits
        assert candidate.sample.reasoning.startswith(" so it is seven or eight ")
        assert (answer.text, answer.answer, len(model.requests)) == ("answer 7", "7", waits + 2)
        assert model.requests[-1].prefix.endswith("no it is \n</think>\n\n")
        assert model.requests[1].prefix == "<think> so it is seven or eight \nWait"


@pytest.mark.parametrize("named", [True, False])
def test_tags_that_the_chat_template_opens_are_known_by_the_closing_one(named):
    """The model writes no `<think>`; whether or not it says that `</think>` ended the draw, the answer is what comes after."""
    model = Scripted(lambda request: tagged(request).removeprefix("<think>"), abilities=replace(ONE_BY_ONE, names_stop=named))
    answer = solve_sync(PROBLEM, model=model, strategy="think", waits=1)
    [candidate] = answer.candidates
    assert (candidate.sample.reasoning, answer.text) == ("so it is seven or eight \nWait\nno it is \n", "answer 7")
    assert model.requests[0].stop == (("</think>",) if named else ())


def test_it_waits_until_the_minimum_and_no_longer():
    """Stretches of 8, 4, 4, ... tokens, the closing tag among them, and a "Wait" of one between them: 8, 13, 18, ..."""
    for minimum, expected in ((1, [8]), (8, [8]), (9, [8, 13]), (14, [8, 13, 18]), (999, [8, 13, 18, 23, 28])):
        answer = solve_sync(PROBLEM, model=Scripted(tagged), strategy="think", waits=4, minimum=minimum)
        assert [one["tokens"] for one in thoughts(answer)] == expected


@pytest.mark.parametrize(
    ("say", "prefix", "text"),
    [
        (lambda request: "7" if request.prefix else "hmm " * 99, "hmm hmm hmm hmm hmm \nFinal Answer:", "\nFinal Answer:7"),
        (
            lambda request: "7" if request.prefix else "<think> " + "hmm " * 99,
            "<think> hmm hmm hmm hmm \n</think>\n\nFinal Answer:",
            "Final Answer:7",
        ),
    ],
    ids=["untagged", "tagged"],
)
def test_at_the_maximum_the_end_is_forced_and_the_answer_has_its_own_room(say, prefix, text):
    model = Scripted(say)
    answer = solve_sync(PROBLEM, model=model, strategy="think(maximum=5)", max_tokens=20)
    assert [request.max_tokens for request in model.requests] == [5, 20]
    assert model.requests[1].prefix == prefix
    assert answer.text.endswith(text)
    assert thoughts(answer) == [{"tokens": 5, "ended": False}]


@settings(max_examples=80)
@given(
    maximum=st.integers(1, 60),
    waits=st.integers(0, 5),
    minimum=st.integers(0, 20),
    tags=st.booleans(),
    lengths=st.lists(st.integers(1, 25), min_size=6, max_size=6),
)
def test_it_never_thinks_more_than_the_maximum_and_every_token_is_in_the_account(maximum, waits, minimum, tags, lengths):
    """tokens = those of the stretches + one a "Wait"; the bill is the model's own count; the last prompt holds our words too."""
    left = list(lengths)

    def say(request):
        if "Final Answer:" in request.prefix or "</think>" in request.prefix:
            return "answer 7"
        words = "hmm " * left.pop(0)
        return ("" if request.prefix or not tags else "<think> ") + words + ("</think> answer 7" if tags else "answer 7")

    model = Scripted(say)
    answer = solve_sync(PROBLEM, model=model, strategy="think", maximum=maximum, waits=waits, minimum=min(minimum, maximum - 1))
    stretches = thoughts(answer)
    completions = [one["usage"]["completion"] for one in drawn(answer)]
    for place, one in enumerate(stretches):
        assert one["tokens"] == sum(completions[: place + 1]) + place <= maximum
    assert len(stretches) <= waits + 1
    assert model.tally.usage == answer.usage["policy"] == answer.candidates[0].sample.usage
    for request, one in zip(model.requests, drawn(answer), strict=True):
        assert one["usage"]["prompt"] == len(PROBLEM.question.split()) + len(request.prefix.split())
    asked = [request.prefix for request in model.requests]
    assert all(later.startswith(earlier) for earlier, later in pairwise(asked))


def test_a_model_that_cannot_continue_is_refused_before_anything_is_spent():
    model = Simulated(abilities=Abilities())
    with pytest.raises(AbilityMissing, match="`simulated` lacks the ability `continues`"):
        solve_sync(PROBLEM, model=model, strategy="think(maximum=8)")
    assert model.tally.calls == 0


@pytest.mark.parametrize("spec", ["think(waits=-1)", "think(minimum=8,maximum=8)", "think(maximum=-8)"])
def test_limits_that_contradict_each_other_are_an_error(spec):
    with pytest.raises(InputError, match="0 <= minimum < maximum"):
        solve_sync(PROBLEM, model=Simulated(), strategy=spec)


@pytest.mark.parametrize("say", [tagged, lambda request: "\nno\nanswer 8" if request.prefix else "hm\nanswer 7"])
@pytest.mark.parametrize("tokens", [9, 20, 40, 60, 90, 120])
def test_what_the_answer_costs_is_kept_back_from_the_budget(say, tokens):
    """Where a plain draw of 12 tokens fits, so does an answer, however much it wanted to think."""
    model, settings = Scripted(say), {"budget": str(tokens), "max_tokens": 12}
    if tokens < 12 + 3:
        with pytest.raises(BudgetExhausted):
            solve_sync(PROBLEM, model=model, strategy="think(waits=9)", **settings)
        return
    answer = solve_sync(PROBLEM, model=model, strategy="think(waits=9)", **settings)
    assert answer.answer in ("7", "8")
    assert answer.stopped == "budget"
    assert model.tally.usage.computed <= tokens


def test_a_stretch_that_fails_is_left_out_and_the_first_is_an_error():
    model = Simulated(faults={"refuse": 0.3}, abilities=replace(ABLE, n=False))
    answers, failures = [], 0
    for one in problems(30):
        try:
            answers.append(solve_sync(one, model=model, strategy="think(waits=4)"))
        except ModelError:
            failures += 1
    assert 0 < failures < 20
    assert {len(thoughts(answer)) for answer in answers} >= {1, 5}
    for answer in answers:
        assert answer.answer is not None
        assert answer.text.count("Wait") == len(thoughts(answer)) - 1


@pytest.mark.parametrize(("fixes", "breaks"), [(0.3, 0.02), (0.05, 0.3)])
def test_thinking_on_against_a_vote_at_equal_tokens(fixes, breaks):
    """Sequential: acc_inf + (p - acc_inf) (1 - fix - break)^n; parallel: a vote of as many samples as its tokens buy, both counted.

    Where a second thought mends more than it spoils, thinking on beats the vote; where not, it is the other way round.
    """
    p, waits, count = 0.4, 4, 60
    model = Simulated(accuracy=p, steps=2, words=1, fixes=fixes, breaks=breaks, attractor=0.5, abilities=replace(ABLE, n=False))
    limit = fixes / (fixes + breaks)
    expected = limit + (p - limit) * (1 - fixes - breaks) ** waits
    sequential, plain = (solved(model, name, count, **more) for name, more in (("think", {"waits": waits}), ("direct", {})))
    spent, each = (sum(answer.cost.tokens for _, answer in found) for found in (sequential, plain))
    parallel = solved(model, "self-consistency", count, n=round(spent / each))
    assert sum(answer.cost.tokens for _, answer in parallel) == pytest.approx(spent, rel=0.1)
    assert model.tally.usage.computed == sum(a.cost.tokens for found in (sequential, plain, parallel) for _, a in found)
    thought, voted = (sum(a.answer == one.reference for one, a in found) / count for found in (sequential, parallel))
    assert thought == pytest.approx(expected, abs=within(expected, count))
    assert (thought > voted + 0.1) == (fixes > breaks)
    assert (thought < voted - 0.1) == (fixes < breaks)


def test_several_thoughts_run_side_by_side():
    async def main():
        model = Simulated(latency=0.001)
        return await asyncio.gather(*(solve(one, model=model, strategy="think") for one in problems(8)))

    assert all(answer.answer for answer in asyncio.run(main()))


@pytest.mark.parametrize(("fixes", "breaks"), [(0.3, 0.02), (0.1, 0.1), (0.05, 0.3)])
def test_a_chain_that_comes_to_rest_ends_and_follows_its_law(fixes, breaks):
    """Two equal answers in a row end it: from a right one it ends right with R = (1-b) / (1-bf), from a wrong one with W = f R.

    After the first draw come D_R = (1+b) / (1-bf) and D_W = (1+f) / (1-bf) more.
    """
    p, count = 0.4, 150
    model = Simulated(accuracy=p, steps=1, words=1, fixes=fixes, breaks=breaks, attractor=1, abilities=replace(ABLE, n=False))
    found = solved(model, "think", count, waits=40, settled=2)
    loop = 1 - breaks * fixes
    expected = p * (1 - breaks) / loop + (1 - p) * fixes * (1 - breaks) / loop
    draws = 1 + p * (1 + breaks) / loop + (1 - p) * (1 + fixes) / loop
    assert sum(a.answer == one.reference for one, a in found) / count == pytest.approx(expected, abs=within(expected, count))
    lengths = [len(chain) for _, answer in found for chain in chains(answer)]
    assert sum(lengths) / count == pytest.approx(draws, abs=4 * 0.8 / count**0.5)
    for (_, answer), length in zip(found, lengths, strict=True):
        [ended] = [event.data for event in answer.trace.events if event.kind == "settled"]
        assert ended == {"chain": 0, "answer": answer.answer, "answers": length}
        assert len(thoughts(answer)) == length


def test_thinking_in_tags_comes_to_rest_by_the_answers_that_it_states():
    """What a stretch says is read off its own text; one that states no answer agrees with nothing."""

    def say(request):
        if "</think>" in request.prefix:
            return "answer 7"
        stated = ("answer 8", "no", "answer 7", "answer 7")[request.prefix.count("Wait")]
        return f"{'' if request.prefix else '<think>'} {stated} </think> answer 9"

    answer = solve_sync(PROBLEM, model=Scripted(say), strategy="think(waits=9,settled=2)")
    assert len(thoughts(answer)) == 4
    assert (answer.answer, answer.candidates[0].sample.reasoning.count("Wait")) == ("7", 3)
