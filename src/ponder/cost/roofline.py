"""The roofline: a step takes as long as its computing or its reading, whichever is longer (Williams 2009; Pope et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.cost import kv
from ponder.cost.architecture import Architecture
from ponder.cost.flops import prefill
from ponder.cost.hardware import Chip
from ponder.errors import InputError


@dataclass(frozen=True, slots=True)
class Roofline:
    """A model on one chip, or on several that share every layer.

    `weight` and `cache` are bytes a weight and a cached element; `compute` and `read` the parts of the peak rates that are reached
    (1: a bound that nothing can beat); `usable` the part of the memory for weights and cache. What chips say to one another takes
    no time here.
    """

    chip: Chip
    model: Architecture
    chips: int = 1
    weight: float = 2.0
    cache: float = 2.0
    compute: float = 1.0
    read: float = 1.0
    usable: float = 0.9

    @property
    def weights(self) -> float:
        """Bytes of all weights."""
        return self.model.parameters * self.weight

    @property
    def room(self) -> float:
        """Bytes left for the cache; below 0 the model does not fit."""
        return self.chip.memory * self.chips * self.usable - self.weights

    @property
    def fits(self) -> bool:
        return self.room > 0

    def step(self, batch: float, context: float = 0.0) -> float:
        """Seconds of a step that gives each of `batch` streams one token, at a mean context of so many tokens."""
        return max(self.computing(batch, context), self.reading(batch, context))

    def computing(self, batch: float, context: float = 0.0) -> float:
        """batch x (2 N + 4 x layers x d_attn x context) over the FLOPs a second that are reached."""
        model = self.model
        each = 2.0 * (model.body + model.logits) + 4.0 * model.layers * model.attention * context
        return batch * each / self._rate

    def reading(self, batch: float, context: float = 0.0) -> float:
        """(weights + batch x context x KV bytes) over the bytes a second that are reached."""
        bytes_ = self.model.read(batch) * self.weight + batch * context * kv.per_token(self.model, self.cache)
        return bytes_ / (self.chip.bandwidth * self.chips * self.read)

    def prompt(self, tokens: int, cached: int = 0) -> float:
        """Seconds of a prompt: its computing, but no less than reading the weights once."""
        computing = prefill(self.model, tokens, cached) / self._rate
        return max(computing, self.model.read(tokens - cached) * self.weight / (self.chip.bandwidth * self.chips * self.read))

    def knee(self, context: float = 0.0) -> float:
        """The batch at which computing takes over from reading; infinite where the cache is read faster than it is used.

        Of a dense model without context and in 16 bits it is the chip's ridge.
        """
        slope = self.computing(1, context) - (self.reading(1, context) - self.reading(0, context))
        return self.reading(0, context) / slope if slope > 0 else float("inf")

    def streams(self, context: float, shared: float = 0.0) -> int:
        """How many streams of so many tokens the memory holds."""
        return kv.streams(self.model, self.room, context, shared=shared, width=self.cache)

    def require(self) -> None:
        """Raises `InputError` where the weights do not fit."""
        if not self.fits:
            need = self.chip.holding(self.weights / self.usable)
            raise InputError(
                f"{self.model.name} has {self.weights / 1e9:.0f} GB of weights and does not fit {self.chips} x {self.chip.name} "
                f"({self.chip.memory * self.chips * self.usable / 1e9:.0f} GB usable): take {need}, or fewer bytes a weight"
            )

    @property
    def _rate(self) -> float:
        return self.chip.peak(self.weight) * self.chips * self.compute
