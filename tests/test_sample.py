"""Draws: what is charged when all goes well, when it fails, when it is cut, and when nobody counted."""

import asyncio
import re
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest
from msgspec import structs

from ponder import budget, store, trace
from ponder.budget import Budget
from ponder.errors import AbilityMissing, BudgetExhausted, EndpointError, InputError
from ponder.models.drawing import Drawing
from ponder.models.sample import draws, sample
from ponder.models.simulated import ABLE, Simulated
from ponder.types import Abilities, Chunk, Message, Request, Usage
from scripted import After

REQUEST = Request((Message("user", "simulated problem 3"),))
ONE_BY_ONE = Abilities(continues=True, usage=True)


class Scripted(Simulated):
    """A model that streams the given chunks, then raises the given error."""

    def __init__(self, *chunks, error=None, **settings):
        super().__init__(abilities=ONE_BY_ONE, **settings)
        object.__setattr__(self, "script", (chunks, error))

    async def stream(self, request):
        chunks, error = self.script
        for chunk in chunks:
            yield chunk
        if error:
            raise error


def draw(model, request=REQUEST, n=1):
    return asyncio.run(sample(model, request, n))


@pytest.mark.parametrize("able", [ONE_BY_ONE, Abilities(n=True)], ids=["one by one", "n in a call"])
def test_usage_is_the_models_own_tally(able):
    model = Simulated(abilities=able)
    drawn = draw(model, n=20)
    total = sum((one.usage for one in drawn), Usage())
    assert total == model.tally.usage
    assert [one.usage.completion for one in drawn] == [len(one.text.split()) for one in drawn]
    assert {one.usage_source for one in drawn} == {"model"}


def test_a_draw_that_fails_is_data_and_leaves_its_siblings_alone():
    drawn = draw(Simulated(abilities=ONE_BY_ONE, faults={"refuse": 0.3, "break": 0.2}), n=40)
    assert len(drawn) == 40
    assert 0 < sum(one.error is not None for one in drawn) < 40
    assert all((one.finish_reason == "error") == (one.error is not None) for one in drawn)


def test_where_the_model_counts_nothing_the_tokens_seen_are_charged_and_said_to_be():
    shown = Scripted(Chunk("a ", token_ids=(1,)), Chunk("b", token_ids=(2,), finish_reason="stop"))
    [one] = draw(shown)
    assert (one.usage.completion, one.usage.prompt, one.usage_source) == (2, shown.prompt_tokens(REQUEST), "rule")


def test_where_nobody_can_count_the_most_it_can_have_cost_is_charged():
    [one] = draw(Scripted(Chunk("some text", finish_reason="stop")))
    assert (one.usage.completion, one.usage_source) == (REQUEST.max_tokens, "reserved")


def test_a_call_that_was_refused_costs_nothing_but_the_call():
    [one] = draw(Scripted(error=EndpointError("too many requests", status=429)))
    assert one.usage == Usage(calls=1)
    [one] = draw(Scripted(error=InputError("the prompt exceeds the context")))
    assert (one.usage, one.error) == (Usage(calls=1), "the prompt exceeds the context")
    [one] = draw(Scripted(error=EndpointError("no answer")))
    assert (one.usage.completion, one.usage_source) == (REQUEST.max_tokens, "reserved")


def test_usage_smaller_than_what_was_streamed_does_not_lower_the_bill():
    [one] = draw(Scripted(Chunk("a b", token_ids=(1, 2), finish_reason="stop", usage=Usage(1, 5, 0, 1))))
    assert one.usage.completion == 2


def test_a_stream_that_ends_without_a_reason_is_not_trusted():
    [one] = draw(Scripted(Chunk("half an answ", token_ids=(1, 2))))
    assert "without saying why" in one.error


def test_a_choice_that_was_not_asked_for_is_an_error():
    [one] = draw(Scripted(Chunk("x", choice=3, finish_reason="stop")))
    assert "numbered 3" in one.error


def test_usage_of_many_draws_in_one_call_is_split_without_losing_a_token():
    drawing = Drawing(range(3), Usage(1, 30, 0, 300))
    for choice, text in enumerate(("aaaa", "bb", "c")):
        drawing.add(Chunk(text, choice, finish_reason="stop", usage=Usage(1, 10, 4, 20)))
    drawing.started = True
    parts = [one.usage for one in drawing.samples(REQUEST, 1.0, 0.5)]
    assert sum(parts, Usage()) == Usage(1, 10, 4, 20)
    assert [part.completion for part in parts] == [11, 6, 3]


def test_many_draws_in_one_call_are_as_many_as_the_budget_has_room_for():
    model = Simulated(abilities=Abilities(n=True))
    most = model.prompt_tokens(REQUEST) + REQUEST.max_tokens

    async def main():
        drawn = []
        with budget.spending(Budget(tokens=20 * most)), suppress(BudgetExhausted):
            async for one in draws(model, REQUEST, range(10_000)):
                drawn.append(one)
        return drawn

    drawn = asyncio.run(main())
    assert 20 < len(drawn) < 10_000
    assert model.tally.calls < len(drawn)
    assert model.tally.prompt + model.tally.completion <= 20 * most


@pytest.mark.parametrize(
    ("request_", "ability"),
    [
        (replace(REQUEST, prefix="step 1"), "continues"),
        (replace(REQUEST, logprobs=True), "logprobs"),
        (replace(REQUEST, prompt_logprobs=True), "prompt_logprobs"),
        (replace(REQUEST, top_logprobs=20), "top_logprobs"),
    ],
)
def test_a_missing_ability_is_named_before_anything_is_spent(request_, ability):
    model = Simulated(abilities=Abilities())
    with pytest.raises(AbilityMissing, match=f"`simulated` lacks the ability `{ability}`"):
        draw(model, request_)
    assert model.tally.calls == 0


def test_closing_the_draws_cancels_what_is_in_flight_and_bills_what_it_produced():
    model = Simulated(abilities=ONE_BY_ONE, latency=0.003, words=60)

    async def first_only():
        with budget.spending(Budget()) as meter, trace.tracing(trace.Trace()) as seen:
            async with aclosing(draws(model, replace(REQUEST, max_tokens=400), range(8))) as stream:
                async for _ in stream:
                    break
            return meter, trace.usage(seen.events)["policy"]

    meter, usage = asyncio.run(first_only())
    assert usage == model.tally.usage
    assert meter.spent.tokens == usage.computed
    assert meter.reserved.tokens == 0


def test_shares_of_the_busy_time_add_up_to_the_wall_time():
    model = Simulated(abilities=ONE_BY_ONE, latency=0.005)
    drawn = draw(model, n=30)
    assert sum(one.share for one in drawn) == pytest.approx(max(one.seconds for one in drawn), rel=0.25)
    assert sum(one.seconds for one in drawn) > 5 * sum(one.share for one in drawn)


def test_siblings_run_side_by_side():
    wide, narrow = (Simulated(abilities=ONE_BY_ONE, latency=0.005, concurrency=width) for width in (32, 4))
    assert max(one.seconds for one in draw(wide, n=32)) < sum(one.share for one in draw(narrow, n=32)) / 2


WRITTEN = "One.  Two! Three"


@pytest.mark.parametrize("pieces", [[WRITTEN], list(WRITTEN), ["One. ", " Two", "! T", "hree"]], ids=["whole", "letters", "odd"])
@pytest.mark.parametrize(
    ("until", "text", "stop"),
    [
        (r"(?<=[.!?])\s+", "One.", "  "),
        (r"\b(?=Two)", "One.  ", ""),
        (r"^\w", "", "O"),
        (r"$", WRITTEN, None),
        (r"e+$", WRITTEN, None),
    ],
)
def test_a_regular_expression_ends_a_draw_at_the_same_place_however_the_stream_is_cut(pieces, until, text, stop):
    """Before the first match that ends before the last character seen; a match at the very end is no end but the model's own."""
    *first, last = [Chunk(piece, token_ids=(1,)) for piece in pieces]
    [one] = draw(Scripted(*first, structs.replace(last, finish_reason="stop")), replace(REQUEST, until=re.compile(until)))
    assert (one.text, one.stop, one.finish_reason) == (text, stop, "stop")


def test_what_was_produced_beyond_the_end_is_charged_and_the_stream_is_closed():
    """Seven draws of a model that takes many in one call: seven calls, each closed where it ended."""
    model = Simulated(steps=40, abilities=Abilities(continues=True, n=True))
    drawn = draw(model, replace(REQUEST, until=re.compile("\n"), max_tokens=10_000), n=7)
    assert all(one.stop == "\n" and "\n" not in one.text for one in drawn)
    assert [one.usage.completion for one in drawn] == [len(one.text.split()) + 1 for one in drawn]
    assert sum((one.usage for one in drawn), Usage()) == model.tally.usage
    assert model.tally.calls == 7


@pytest.mark.parametrize("able", [ONE_BY_ONE, Abilities(n=True)], ids=["one by one", "many in a call"])
def test_what_a_solve_has_drawn_already_is_given_again_at_no_cost(able):
    """A probe of 4, then 10 draws of the same request: 10 draws are paid for in one solve, and another solve pays its own."""
    model = Simulated(abilities=able)

    async def probed():
        with trace.tracing(trace.Trace(1)) as record:
            probe, whole = await sample(model, REQUEST, 4), await sample(model, REQUEST, 10)
        assert len([event for event in record.events if event.kind == "drawn"]) == 10
        return probe, whole

    probe, whole = asyncio.run(probed())
    assert whole[:4] == probe
    paid = model.tally.usage.completion
    assert paid == sum(one.usage.completion for one in whole)
    asyncio.run(probed())
    assert model.tally.usage.completion == 2 * paid


WATCHED = replace(REQUEST, watch=After(5), logprobs=True)


@pytest.mark.parametrize("able", [ABLE, ONE_BY_ONE], ids=["many in a call", "one by one"])
def test_a_watched_draw_is_the_plain_draw_cut_and_charged_for_what_it_produced(able):
    """Five tokens of each; the same seeds, so the same words; every call ends alone, and nothing is left running."""
    model = Simulated(abilities=replace(able, logprobs=True))
    cut, used = draw(model, WATCHED, 7), model.tally.usage

    async def singly():
        return [one async for one in draws(model, replace(WATCHED, watch=None), range(7), abreast=lambda: 1)]

    whole = asyncio.run(singly())
    for one, other in zip(cut, whole, strict=True):
        assert (one.finish_reason, one.cut, one.whole, one.error) == ("cancelled", True, True, None)
        assert (one.usage.completion, one.logprobs, one.seconds < 1) == (5, other.logprobs[:5], True)
        assert other.text.startswith(one.text)
    assert sum((one.usage for one in cut), Usage()) == used == Usage(7, 7 * 3, 0, 7 * 5)


def test_what_ends_by_itself_is_not_cut():
    [plain] = draw(Simulated(), replace(WATCHED, watch=None, max_tokens=5))
    [watched] = draw(Simulated(), replace(WATCHED, max_tokens=5))
    assert (watched.text, watched.finish_reason, watched.cut) == (plain.text, "length", False)


def test_a_draw_whose_model_does_not_count_is_charged_for_the_tokens_seen_until_it_is_cut():
    chunks = [Chunk(f"{number} ", token_ids=(number,)) for number in range(9)]
    [one] = draw(Scripted(*chunks), replace(WATCHED, logprobs=False))
    assert (one.usage.completion, one.usage_source, one.text) == (5, "rule", "0 1 2 3 4 ")


def test_a_cut_draw_is_replayed_as_what_it_is_and_never_as_a_whole_one(tmp_path):
    """A bank with three cut draws: watched alike, they cost nothing; plain, or watched otherwise, the draws are made."""
    kept, model = store.Store(tmp_path / "bank.sqlite"), Simulated(abilities=replace(ONE_BY_ONE, logprobs=True))
    seen = trace.Trace()

    async def main():
        with store.keeping(kept):
            with trace.tracing(trace.Trace()):
                first = await sample(model, WATCHED, 3)
            paid = model.tally.usage
            with trace.tracing(seen), budget.spending(Budget()) as meter:
                again = await sample(model, WATCHED, 3)
                charged = meter.spent.tokens
            assert model.tally.usage == paid
            other = [await sample(model, replace(WATCHED, watch=watch), 3) for watch in (None, After(6))]
        return first, again, charged, other

    first, again, charged, (whole, later) = asyncio.run(main())
    assert kept.count() == (9, 0)
    assert [replace(one, replayed=False, event=None) for one in again] == [replace(one, event=None) for one in first]
    assert charged == sum(one.usage.computed for one in first)
    assert trace.usage(seen.events) == {"replayed": sum((one.usage for one in first), Usage())}
    assert [one.finish_reason for one in (*whole, *later)] == ["stop"] * 3 + ["cancelled"] * 3
    assert [one.usage.completion for one in later] == [6] * 3


def test_a_draw_that_is_cancelled_under_a_watch_is_not_taken_for_a_cut_one(tmp_path):
    kept, model = store.Store(tmp_path / "bank.sqlite"), Simulated(abilities=replace(ONE_BY_ONE, logprobs=True), latency=0.002)
    endless = replace(WATCHED, watch=After(9999))

    async def main():
        with store.keeping(kept):
            async with aclosing(draws(model, endless, range(4))) as stream:
                async for _ in stream:
                    break
            complete, aborted = kept.count()
            assert complete + aborted == 4
            assert aborted > 0
            return await sample(model, endless, 4)

    assert [one.finish_reason for one in asyncio.run(main())] == ["stop"] * 4


def test_the_likeliest_tokens_come_with_the_sample_where_they_were_asked_for():
    for able in (ABLE, replace(ABLE, n=False)):
        drawn = draw(Simulated(abilities=able), replace(REQUEST, top_logprobs=3), 2)
        assert [[len(row) for row in one.top_logprobs] for one in drawn] == [[3] * one.usage.completion for one in drawn]
    assert draw(Simulated())[0].top_logprobs is None
