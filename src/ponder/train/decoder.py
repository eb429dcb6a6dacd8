"""Many draws at once from a small Llama in memory: the rollouts of reinforcement learning on a CPU.

The weights change with every step, so an engine that loads a file would have to load it again each time. Here they are read where
they lie; the prompts of a batch are computed once, a draw that has ended leaves the batch, and one token costs four matrix products
a layer. (`docs/grpo.md` compares it with the embedded engine and with `generate` of transformers.)
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.errors import MissingExtra
from ponder.train.data import EOS, PAD

try:
    import torch
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

F = torch.nn.functional


@dataclass(frozen=True, slots=True)
class Drawn:
    """`tokens` (draws, width): the answers with their EOS, PAD behind; `logprobs` (draws, width) of each token, at the temperature
    it was drawn at; `lengths` (draws,) in tokens. The draws of a prompt stand together."""

    tokens: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    lengths: NDArray[np.int64]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Which draws came to their own end, and were not cut."""
        last: NDArray[np.bool_] = self.tokens[np.arange(len(self.tokens)), self.lengths - 1] == EOS
        return last


class _Layers:
    """The weights of a LlamaForCausalLM, and its forward pass with a cache of keys and values."""

    def __init__(self, model: Any, width: int) -> None:
        config = model.config
        self.heads, self.pairs = config.num_attention_heads, config.num_key_value_heads
        self.size, self.epsilon = config.hidden_size // config.num_attention_heads, config.rms_norm_eps
        self.body, self.head = model.model, model.lm_head.weight
        frequencies = config.rope_parameters["rope_theta"] ** -(torch.arange(0, self.size, 2) / self.size)
        angles = torch.outer(torch.arange(width), frequencies).repeat(1, 2)
        self.cosine, self.sine = angles.cos(), angles.sin()

    def __call__(self, tokens: Any, at: int, cache: list[tuple[Any, Any]], mask: Any) -> Any:
        """Logits (rows, vocabulary) behind `tokens` (rows, new), which stand from place `at` on; the cache is filled in place.

        `mask` (rows, 1, new, at + new) is minus infinity where a place must not be seen.
        """
        new = tokens.shape[1]
        cosine, sine = self.cosine[at : at + new], self.sine[at : at + new]
        state = self.body.embed_tokens.weight[tokens]
        for layer, (keys, values) in zip(self.body.layers, cache, strict=True):
            inner, attention = self._norm(state, layer.input_layernorm), layer.self_attn
            query = self._split(F.linear(inner, attention.q_proj.weight), self.heads)
            key = self._split(F.linear(inner, attention.k_proj.weight), self.pairs)
            keys[:, :, at : at + new] = _rotated(key, cosine, sine)
            values[:, :, at : at + new] = self._split(F.linear(inner, attention.v_proj.weight), self.pairs)
            seen = self._attend(_rotated(query, cosine, sine), keys[:, :, : at + new], values[:, :, : at + new], mask)
            state = state + F.linear(seen, attention.o_proj.weight)
            inner, mlp = self._norm(state, layer.post_attention_layernorm), layer.mlp
            gated = F.silu(F.linear(inner, mlp.gate_proj.weight)) * F.linear(inner, mlp.up_proj.weight)
            state = state + F.linear(gated, mlp.down_proj.weight)
        return F.linear(self._norm(state[:, -1], self.body.norm), self.head)

    def _norm(self, state: Any, layer: Any) -> Any:
        return F.rms_norm(state, (state.shape[-1],), layer.weight, self.epsilon)

    def _split(self, flat: Any, heads: int) -> Any:
        return flat.view(*flat.shape[:2], heads, self.size).transpose(1, 2)

    def _attend(self, query: Any, keys: Any, values: Any, mask: Any) -> Any:
        """(rows, new, hidden): heads that share a pair of keys and values look at it together."""
        rows, _, new, _ = query.shape
        seen = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
        return seen.transpose(1, 2).reshape(rows, new, -1)


def _gaps(kept: Any, count: int) -> tuple[Any, Any]:
    """Where the first `count` rows have gaps, and the kept ones behind them that fit in: less is moved than if all moved up."""
    return (~kept[:count]).nonzero()[:, 0], kept[count:].nonzero()[:, 0] + count


def _rotated(vectors: Any, cosine: Any, sine: Any) -> Any:
    first, second = vectors.chunk(2, -1)
    return vectors * cosine + torch.cat([-second, first], -1) * sine


def decode(model: Any, prompts: Sequence[Sequence[int]], copies: int, limit: int, temperature: float, seed: int) -> Drawn:
    """`copies` draws from each prompt, of at most `limit` tokens each, at `temperature` > 0: a function of the weights and the
    seed."""
    rng = torch.Generator().manual_seed(seed)
    width = max(map(len, prompts))
    count = len(prompts) * copies
    tokens, logprobs, lengths = torch.full((count, limit), PAD), torch.zeros(count, limit), torch.zeros(count, dtype=torch.int64)
    with torch.no_grad():
        for place, (rows, chosen, chances) in enumerate(_steps(model, prompts, copies, width, limit, temperature, rng)):
            tokens[rows, place], logprobs[rows, place], lengths[rows] = chosen, chances, place + 1
    longest = int(lengths.max())
    return Drawn(tokens[:, :longest].numpy(), logprobs[:, :longest].numpy(), lengths.numpy())


def _steps(
    model: Any, prompts: Sequence[Sequence[int]], copies: int, width: int, limit: int, temperature: float, rng: Any
) -> Iterator[tuple[Any, Any, Any]]:
    """For each place of the answers: which draws still go on, the token that each has drawn, and its log-probability."""
    layers = _Layers(model, width + limit)
    given = torch.tensor([[PAD] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    hidden = torch.zeros(given.shape).masked_fill(given == PAD, -torch.inf)[:, None, None, :]
    causal = torch.full((width, width), -torch.inf).triu(1)
    blind = (hidden + causal).masked_fill(torch.eye(width, dtype=torch.bool), 0.0)  # padding sees itself: no softmax of nothing
    shape = (2, len(prompts), layers.pairs, width + limit, layers.size)
    cache = [tuple(torch.zeros(shape)) for _ in range(model.config.num_hidden_layers)]
    logits = layers(given, 0, cache, blind).repeat_interleave(copies, 0)
    cache = [(keys.repeat_interleave(copies, 0), values.repeat_interleave(copies, 0)) for keys, values in cache]
    mask = F.pad(hidden, (0, limit)).repeat_interleave(copies, 0)
    rows, going = torch.arange(len(prompts) * copies), torch.arange(len(prompts) * copies)
    for place in range(limit):
        chances = torch.log_softmax(logits / temperature, -1)
        chosen = torch.multinomial(chances.exp(), 1, generator=rng)
        live = torch.isin(rows, going)
        yield rows[live], chosen[live, 0], chances.gather(1, chosen)[live, 0]
        going = rows[live & (chosen[:, 0] != EOS)]
        if place + 1 == limit or not len(going):
            return
        if len(going) < 0.95 * len(rows):
            holes, movers = _gaps(torch.isin(rows, going), len(going))
            for one in (rows, chosen, mask):
                one[holes] = one[movers]
            for one in itertools.chain.from_iterable(cache):
                one[holes, :, : width + place] = one[movers, :, : width + place]
            rows, chosen, mask = (one[: len(going)] for one in (rows, chosen, mask))
            cache = [(keys[: len(going)], values[: len(going)]) for keys, values in cache]
        logits = layers(chosen, width + place, cache, mask[..., : width + place + 1])
