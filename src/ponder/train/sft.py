"""Supervised fine-tuning of models of builtin size on answers of one or several tries, and the answers that search has found.

The last try of a shown answer is right. The wrong ones before it are shown so that the model learns to go on from them; they carry
a loss only now and then, for a model that is taught all its errors makes them.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ponder.errors import InputError
from ponder.train.data import BOS, EOS, encode, packed
from ponder.train.loop import Recipe, train
from ponder.train.tries import joined, verdict

import torch  # isort: skip - behind the loop, whose error names the extra

ERRORS = 0.4
"""The share of wrong tries that carry a loss."""
VERDICT = 4.0
"""What a token of a verdict weighs: it is short, and decides."""


class Shown(msgspec.Struct, frozen=True):
    """A question as the model reads it, and an answer by its tries, the last of them right."""

    question: str
    tries: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """The length of question and answer; each byte is a token."""
        return len(self.question) + len(joined(self.question, self.tries)) + 3


def row(shown: Shown, rng: random.Random, errors: float = ERRORS) -> tuple[list[int], list[float]]:
    """Tokens, and what each weighs in the loss: nothing in the question."""
    prompt, answer = [BOS, *encode(shown.question + "\n")], [*encode(joined(shown.question, shown.tries)), EOS]
    weights, begin = [1.0] * len(answer), 0
    for number, text in enumerate(shown.tries, 1):
        if number < len(shown.tries) and rng.random() >= errors:
            weights[begin : begin + len(text)] = [0.0] * len(text)
        begin += len(text)
        end = min(begin + len(f"\n{verdict(shown.question, text)}\n"), len(answer))
        weights[begin:end] = [VERDICT] * (end - begin)
        begin = end
    return prompt + answer, [0.0] * len(prompt) + weights


def rows(shown: Sequence[Shown], seed: int, step: int) -> Iterator[tuple[list[int], list[float]]]:
    """Rows at random, without end: a function of seed and step."""
    rng = random.Random(f"{seed}/{step}")
    while True:
        yield row(rng.choice(shown), rng)


def sft(model: Any, shown: Sequence[Shown], recipe: Recipe, checkpoint: Path) -> None:
    """Train `model` in place on the answers; goes on from `checkpoint` if it exists. Raises InputError if no answer fits a row."""
    fitting = [one for one in shown if one.tokens <= recipe.width]
    if not fitting:
        raise InputError(f"none of {len(shown)} answers fits into {recipe.width} tokens: there is nothing to learn from")

    def loss(model: Any, step: int) -> Any:
        tokens, weights = map(torch.from_numpy, packed(rows(fitting, recipe.seed, step), recipe.rows, recipe.width, np.float32(0)))
        told = weights[:, 1:] > 0
        logits = model(input_ids=tokens).logits[:, :-1][told]
        losses = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][told], reduction="none")
        return (losses * weights[:, 1:][told]).sum() / weights.sum()

    torch.set_num_threads(recipe.threads)
    train(model, loss, recipe, checkpoint)
