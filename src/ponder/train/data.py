"""Training data without end: worked solutions from the tasks' own generators, packed into rows of tokens."""

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ponder.tasks import arithmetic, countdown
from ponder.tasks.generated import split_of

PAD, BOS, EOS, FIRST_BYTE = 0, 1, 2, 3
VOCABULARY = 3 + 256 + 1
"""Three specials, the bytes, and one merge that no example contains (GGUF readers want one; see `export`)."""
IGNORED = -100
"""The label of a token without a loss."""


def encode(text: str) -> list[int]:
    return [FIRST_BYTE + byte for byte in text.encode()]


def _countdown(rng: random.Random) -> tuple[str, str]:
    count = rng.choices((3, 4, 5), weights=(2, 5, 3))[0]
    while True:
        numbers, target, solution = countdown.draw(rng, count)
        if countdown.split_of(numbers, target) == "train":
            return countdown.question(numbers, target), solution


def _arithmetic(rng: random.Random) -> tuple[str, str]:
    length = rng.randint(2, 16)
    while True:
        expression, solution = arithmetic.draw(rng, length)
        if split_of(expression) == "train":
            return arithmetic.question(expression), solution


def example(rng: random.Random) -> tuple[str, str]:
    """A question and its worked solution, from the training split alone."""
    return _countdown(rng) if rng.random() < 0.8 else _arithmetic(rng)


def packed(examples: Iterator[tuple[list[int], list[int]]], rows: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of tokens and of a label for each, both (rows, width), filled with whole examples."""
    tokens, labels = np.full((rows, width), PAD, np.int64), np.full((rows, width), IGNORED, np.int64)
    filled, misses = [0] * rows, 0
    while misses < rows:
        ids, wanted = next(examples)
        row = next((row for row in range(rows) if filled[row] + len(ids) <= width), None)
        if row is None:
            misses += 1
            continue
        place = slice(filled[row], filled[row] + len(ids))
        tokens[row, place], labels[row, place] = ids, wanted
        filled[row] += len(ids)
    return tokens, labels


def batch(seed: int, step: int, rows: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens and labels of one training step, each (rows, width): a function of seed and step, so a resumed run sees the same."""
    return packed(_examples(random.Random(f"{seed}/{step}")), rows, width)


def _examples(rng: random.Random) -> Iterator[tuple[list[int], list[int]]]:
    while True:
        asked, solution = example(rng)
        prompt, answer = [BOS, *encode(asked + "\n")], [*encode(solution), EOS]
        yield prompt + answer, [IGNORED] * len(prompt) + answer
