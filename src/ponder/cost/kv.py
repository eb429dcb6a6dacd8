"""What attention keeps of each token, and how many streams fit beside the weights."""

from __future__ import annotations

from ponder.cost.architecture import Architecture


def per_token(model: Architecture, width: float = 2.0) -> float:
    """Bytes kept of a token: 2 x layers x kv_heads x head x `width` bytes (keys and values; less with latent attention)."""
    return model.kept * width


def streams(model: Architecture, room: float, context: float, *, shared: float = 0.0, width: float = 2.0) -> int:
    """How many streams of `context` tokens fit into `room` bytes, if their first `shared` tokens are kept once for all of them."""
    left = room - shared * per_token(model, width)
    own = (context - shared) * per_token(model, width)
    return max(0, int(left // own)) if own > 0 else 0
