"""Tokens to floating-point operations, prompt and completion apart.

A token costs 2 for each weight that it is multiplied by, and 4 x layers x d_attn for each token that it attends to (Kaplan et al.
2020, C_forward). So tokens from place a to place b of a text cost 2 x layers x d_attn x (b^2 - a^2) for attention together.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.cost.architecture import Architecture
from ponder.types import Model, Usage


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of the prompt's computed tokens and of the completion's."""

    prefill: float
    decode: float

    @property
    def total(self) -> float:
        return self.prefill + self.decode


def flops(parameters: int, usage: Usage) -> float:
    """Forward FLOPs of a usage where nothing but the active parameters is known: 2 a parameter and computed token.

    The attention term is left out: a lower bound that is close for short contexts.
    """
    return 2.0 * parameters * usage.computed


def prefill(model: Architecture, tokens: int, cached: int = 0) -> float:
    """FLOPs of a prompt of so many tokens, the first `cached` of which are there already. No logits: see `decode`."""
    return 2.0 * model.body * (tokens - cached) + _attention(model, cached, tokens)


def decode(model: Architecture, tokens: int, context: int = 0) -> float:
    """FLOPs of so many new tokens behind a context; each pays for its logits (the first one's are the prompt's last place)."""
    return 2.0 * (model.body + model.logits) * tokens + _attention(model, context, context + tokens)


def spent(model: Architecture, usage: Usage) -> Flops:
    """FLOPs of one draw: what its prefix cache served is not computed, but attended to.

    For the usage of many draws together, add up theirs: attention is not linear.
    """
    return Flops(prefill(model, usage.prompt, usage.cached), decode(model, usage.completion, usage.prompt))


def of_draw(model: Model, usage: Usage) -> float | None:
    """FLOPs of a model's draw: by its `architecture`, if it has one, else by its parameters; None where neither is known."""
    shape: Architecture | None = getattr(model, "architecture", None)
    if shape is not None:
        return spent(shape, usage).total
    return flops(model.parameters, usage) if model.parameters else None


def train(parameters: int, tokens: float) -> float:
    """FLOPs of training: 6 a parameter and token (Kaplan et al. 2020)."""
    return 6.0 * parameters * tokens


def _attention(model: Architecture, first: int, last: int) -> float:
    return 2.0 * model.layers * model.attention * (last**2 - first**2)
