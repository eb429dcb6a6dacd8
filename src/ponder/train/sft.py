"""Supervised fine-tuning of models of builtin size on answers of one or several tries, and the answers that search has found.

The last try of a shown answer is right. The wrong ones before it are shown so that the model learns to go on from them. What they
chose carries a loss only now and then, for a model that is taught all its errors makes them; what they computed always does, if it
is true: a model that is only shown ends at the goal claims to be there.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ponder.errors import InputError
from ponder.train.data import BOS, EOS, encode, packed
from ponder.train.loop import Recipe, train
from ponder.train.tries import computed, joined, verdict

import torch  # isort: skip - behind the loop, whose error names the extra

ERRORS = 0.4
"""The share of wrong tries that carry a loss."""
VERDICT = 4.0
"""What a token of a verdict weighs: they are short, and decide."""
MISSED = 12.0
"""What a token weighs of the true result that a wrong try ends its line with: a model that has read solutions alone claims the
goal there."""
MARGIN = 1.5
"""An answer is learnt at so many times the temperature that it is drawn at, so that it is nearly sure where it is drawn."""
Label = tuple[float, float, int]
"""What a token weighs in the loss, the temperature that it is learnt at, and its place in the example."""
NONE = np.array([0.0, 1.0, 0.0], np.float32)
"""The label of no token."""


class Shown(msgspec.Struct, frozen=True):
    """A question as the model reads it, an answer by its tries, the last of them right, and the temperature that such questions
    are answered at."""

    question: str
    tries: tuple[str, ...]
    temperature: float = 1.0

    @property
    def tokens(self) -> int:
        """The length of question and answer; each byte is a token."""
        return len(self.question) + len(joined(self.question, self.tries)) + 3


def row(shown: Shown, rng: random.Random, errors: float = ERRORS) -> tuple[list[int], list[Label]]:
    """Tokens, and the label of each: nothing in the question weighs anything."""
    prompt, answer = [BOS, *encode(shown.question + "\n")], [*encode(joined(shown.question, shown.tries)), EOS]
    weights, begin = [1.0] * len(answer), 0
    for number, text in enumerate(shown.tries, 1):
        if number < len(shown.tries):
            if rng.random() >= errors:
                weights[begin : begin + len(text)] = [0.0] * len(text)
            for start, end, last in computed(text):
                weights[begin + start : begin + end] = [MISSED if last else 1.0] * (end - start)
        begin += len(text)
        end = min(begin + len(f"\n{verdict(shown.question, text)}\n"), len(answer))
        weights[begin:end] = [VERDICT] * (end - begin)
        begin = end
    return prompt + answer, [
        (weight, MARGIN * shown.temperature, place) for place, weight in enumerate([0.0] * len(prompt) + weights)
    ]


def rows(shown: Sequence[Shown], seed: int, step: int) -> Iterator[tuple[list[int], list[Label]]]:
    """Rows at random, without end: a function of seed and step."""
    rng = random.Random(f"{seed}/{step}")
    while True:
        yield row(rng.choice(shown), rng)


def sft(model: Any, shown: Sequence[Shown], recipe: Recipe, checkpoint: Path) -> None:
    """Train `model` in place on the answers; goes on from `checkpoint` if it exists. Raises InputError if no answer fits a row.

    What is made likelier is the answer as it is drawn, at its temperature and more: a model that is sure of its own at 1 and draws
    at 1.3 would learn nothing from what is right.
    """
    fitting = [one for one in shown if one.tokens <= recipe.width]
    if not fitting:
        raise InputError(f"none of {len(shown)} answers fits into {recipe.width} tokens: there is nothing to learn from")

    def loss(model: Any, step: int) -> Any:
        return surprise(model, *packed(rows(fitting, recipe.seed, step), recipe.rows, recipe.width, NONE))

    torch.set_num_threads(recipe.threads)
    train(model, loss, recipe, checkpoint)


def surprise(model: Any, tokens: NDArray[np.int64], labels: NDArray[np.float32]) -> Any:
    """The mean negative log-likelihood in nats of packed rows: `tokens` (rows, width) and their labels (rows, width, 3).

    Each example sees itself alone, at the places that it is drawn at: one that saw those before it in its row would be learnt as
    the end of a text that the model never meets.
    """
    ids, (weights, heat, places) = torch.from_numpy(tokens), torch.from_numpy(labels).unbind(-1)
    example = (places == 0).cumsum(-1)
    seen = (example[:, :, None] == example[:, None, :]).tril()
    logits = model(input_ids=ids, position_ids=places.long(), attention_mask=seen[:, None]).logits
    told, wanted = weights[:, 1:] > 0, ids[:, 1:]
    logits = logits[:, :-1][told] / heat[:, 1:][told][:, None]
    losses = torch.nn.functional.cross_entropy(logits, wanted[told], reduction="none")
    return (losses * weights[:, 1:][told]).sum() / weights.sum()
