"""The training stream: reproducible, of the training split alone, with a loss on answers only."""

import hashlib
import random
import re

import numpy as np

from ponder.tasks import arithmetic, countdown
from ponder.tasks.generated import split_of
from ponder.train.data import BOS, EOS, IGNORED, PAD, batch, encode, example


def test_no_problem_of_the_stream_is_held_out() -> None:
    rng = random.Random(0)
    asked = [example(rng)[0] for _ in range(3000)]
    for question in asked:
        numbers = [int(number) for number in re.findall("[0-9]+", question)]
        if question.startswith("countdown"):
            assert countdown.split_of(numbers[:-1], numbers[-1]) == "train"
        else:
            assert split_of(question.rpartition(" ")[2]) == "train"
    for task in (countdown.countdown_3, countdown.countdown_4, arithmetic.arithmetic_4):
        held_out = {problem.question for split in ("test", "validation") for problem in task.load(split, 300)}
        assert not held_out & set(asked)


def test_the_shipped_model_was_trained_on_this_stream() -> None:
    """The digest of three of its batches; if it changes, the model card's command no longer makes the shipped weights."""
    digest = hashlib.sha256(b"".join(array.tobytes() for step in (0, 1, 777) for array in batch(1, step, 8, 256)))
    assert digest.hexdigest() == "481a55ce20465e768362b990a23fb27bddf7d0c1682e2c7f25d03d3d4b156f04"


def test_labels_are_the_answers_tokens_and_rows_are_well_filled() -> None:
    tokens, labels = batch(1, 0, 8, 256)
    counted = labels != IGNORED
    assert np.array_equal(tokens[counted], labels[counted])
    assert (tokens == BOS).sum() == (labels == EOS).sum()
    assert not (labels[tokens == BOS] == BOS).any()
    assert (tokens != PAD).mean() > 0.8


def test_bytes_follow_the_specials() -> None:
    assert encode("\n9ÿ") == [3 + 10, 3 + 57, 3 + 0xC3, 3 + 0xBF]
