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

from ponder.errors import InputError
from ponder.train.data import BOS, EOS, encode
from ponder.train.loop import Recipe, train
from ponder.train.tries import computed, joined, needless, verdict

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
Label = tuple[float, float]
"""What a token weighs in the loss, and the temperature that it is learnt at."""
Example = tuple[list[int], list[Label]]
"""Tokens, and the label of each."""


class Shown(msgspec.Struct, frozen=True):
    """A question as the model reads it, an answer by its tries, the last of them right, and the temperature that such questions
    are answered at. `brief`: it is learnt without the letters that tell nothing (`tries.needless`)."""

    question: str
    tries: tuple[str, ...]
    temperature: float = 1.0
    brief: bool = False

    @property
    def tokens(self) -> int:
        """The length of question and answer; each byte is a token."""
        answer = joined(self.question, self.tries)
        return len(self.question) + len(answer) - self.brief * len(needless(answer)) + 3


def example(shown: Shown, rng: random.Random, errors: float = ERRORS) -> Example:
    """What is learnt of a shown answer: nothing in the question weighs anything."""
    prompt, answer = [BOS, *encode(shown.question + "\n")], joined(shown.question, shown.tries)
    left_out = needless(answer) if shown.brief else ()
    told = zip([*encode(answer), EOS], _weights(shown, len(answer) + 1, rng, errors), strict=True)
    kept = [(token, weight) for place, (token, weight) in enumerate(told) if place not in left_out]
    labels = [(weight, MARGIN * shown.temperature) for weight in [*[0.0] * len(prompt), *(weight for _, weight in kept)]]
    return prompt + [token for token, _ in kept], labels


def _weights(shown: Shown, size: int, rng: random.Random, errors: float) -> list[float]:
    """What each of the `size` tokens of the whole answer weighs."""
    weights, begin = [1.0] * size, 0
    for number, text in enumerate(shown.tries, 1):
        if number < len(shown.tries):
            if rng.random() >= errors:
                weights[begin : begin + len(text)] = [0.0] * len(text)
            for start, end, last in computed(text):
                weights[begin + start : begin + end] = [MISSED if last else 1.0] * (end - start)
        begin += len(text)
        end = min(begin + len(f"\n{verdict(shown.question, text)}\n"), size)
        weights[begin:end] = [VERDICT] * (end - begin)
        begin = end
    return weights


def examples(shown: Sequence[Shown], seed: int, step: int, tokens: int) -> Iterator[Example]:
    """Examples at random, of so many tokens at most: a function of seed and step."""
    rng, left = random.Random(f"{seed}/{step}"), tokens
    while left >= (one := rng.choice(shown)).tokens:
        left -= one.tokens
        yield example(one, rng)


def sft(model: Any, shown: Sequence[Shown], recipe: Recipe, checkpoint: Path) -> None:
    """Train `model` in place on the answers; goes on from `checkpoint` if it exists. Raises InputError if no answer fits a row.

    What is made likelier is the answer as it is drawn, at its temperature and more: a model that is sure of its own at 1 and draws
    at 1.3 would learn nothing from what is right.
    """
    fitting = [one for one in shown if one.tokens <= recipe.width]
    if not fitting:
        raise InputError(f"none of {len(shown)} answers fits into {recipe.width} tokens: there is nothing to learn from")

    def loss(model: Any, step: int) -> Iterator[Any]:
        return surprise(model, list(examples(fitting, recipe.seed, step, recipe.rows * recipe.width)))

    torch.set_num_threads(recipe.threads)
    train(model, loss, recipe, checkpoint)


def surprise(model: Any, learnt: Sequence[Example]) -> Iterator[Any]:
    """The mean negative log-likelihood in nats of the examples' tokens by their weights, each example's part of it by itself."""
    whole = sum(weight for _, labels in learnt for weight, _ in labels)
    for tokens, labels in learnt:
        ids, (weights, heat) = torch.tensor(tokens), torch.tensor(labels)[1:].unbind(-1)
        told, wanted = weights > 0, ids[1:]
        logits = model(input_ids=ids[None, :-1]).logits[0][told] / heat[told][:, None]
        losses = torch.nn.functional.cross_entropy(logits, wanted[told], reduction="none")
        yield (losses * weights[told]).sum() / whole
