"""FLOPs: prompt and completion apart, attention in both, cached prefixes not computed again, verifiers counted."""

import asyncio
from dataclasses import replace

import pytest

from ponder import trace
from ponder.cost.architecture import KNOWN
from ponder.cost.flops import decode, flops, prefill, spent, train
from ponder.models.sample import sample
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.trace import Trace
from ponder.types import Message, Request, Usage

LLAMA = KNOWN["llama-3-8b"]


def test_a_prompt_costs_two_a_weight_and_token_and_attention_in_its_square():
    body, square = 2 * LLAMA.body * 1000, 2 * LLAMA.layers * LLAMA.attention * 1000**2
    assert prefill(LLAMA, 1000) == body + square
    assert body == pytest.approx(2 * LLAMA.parameters * 1000, rel=0.15)  # the embeddings are not multiplied


def test_a_token_at_place_t_attends_to_t_tokens():
    one = decode(LLAMA, 1, 4096) - 2 * (LLAMA.body + LLAMA.logits)
    assert one == pytest.approx(4 * LLAMA.layers * LLAMA.attention * 4096, rel=1e-3)


def test_decoding_costs_what_a_prompt_costs_and_its_logits():
    logits = 2 * LLAMA.logits * 500
    assert decode(LLAMA, 500) == pytest.approx(prefill(LLAMA, 500) + logits)
    parts = decode(LLAMA, 200, 100) + decode(LLAMA, 300, 300)
    assert decode(LLAMA, 500, 100) == pytest.approx(parts)


def test_a_cached_prefix_is_attended_to_but_not_computed():
    """Beam search: 16 continuations of one prefix of 2,000 tokens, which is computed once or each time."""
    once = spent(LLAMA, Usage(1, 2000, 0, 100)).total + 15 * spent(LLAMA, Usage(1, 2000, 1999, 100)).total
    again = 16 * spent(LLAMA, Usage(1, 2000, 0, 100)).total
    assert prefill(LLAMA, 2000) == pytest.approx(prefill(LLAMA, 1500) + prefill(LLAMA, 2000, 1500))
    assert again / once == pytest.approx(8.9, abs=0.1)


def test_of_a_mixture_only_the_active_weights_count():
    mixtral = KNOWN["mixtral-8x7b"]
    dense = replace(mixtral, active=None, experts=None)
    assert decode(dense, 1) / decode(mixtral, 1) == pytest.approx(46.7 / 12.9, rel=0.02)


def test_without_a_shape_two_a_parameter_and_computed_token():
    assert flops(7, Usage(1, 10, 4, 5)) == 2 * 7 * 11
    assert train(7, 100) == 6 * 7 * 100


def test_a_solve_counts_attention_where_the_shape_is_known():
    class Shaped(Simulated):
        architecture = LLAMA

    def cost(model):
        return solve_sync("Use 3 7 8 8 to make 24", model=model, strategy="self-consistency", n=4)

    answer = cost(Shaped())
    drawn = [Usage(**event.data["usage"]) for event in answer.trace.events if event.kind == "drawn"]
    assert answer.cost.flops == pytest.approx(sum(spent(LLAMA, one).total for one in drawn))
    assert cost(Simulated()).cost.flops is None


def test_a_verifiers_draws_cost_two_a_weight_of_its_own():
    request = Request((Message("user", "how many?"),))

    async def run():
        with trace.tracing(Trace()) as record:
            [policy] = await sample(Simulated(parameters=10), request)
            [judge] = await sample(Simulated(parameters=1000), replace(request, seed=1), role="verifier")
        return trace.cost(record.events, 0.0).flops, policy.usage, judge.usage

    total, policy, judge = asyncio.run(run())
    assert total == 2 * 10 * policy.computed + 2 * 1000 * judge.computed
