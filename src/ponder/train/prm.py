"""Train `builtin:mini-prm` from `builtin:mini` and the labels of `train.rollouts`: `python -m ponder.train.prm LABELS FOLDER`.

A process reward model that is a language model: behind each step stands a mark, ` +`, and what the model would have put there, ` +`
or ` -`, is its judgement. The marks before are always ` +`, so that a chain is judged in one pass and a longer one goes on from it.
"""

import argparse
import itertools
import logging
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ponder.models.catalog import download
from ponder.tasks import countdown, expression
from ponder.train.data import BOS, encode, packed
from ponder.train.loop import Recipe, ship, train
from ponder.train.rollouts import Chain, Labelled
from ponder.verifiers.prm import BAD, GOOD, marked

import torch  # isort: skip - behind the loop, whose error names the extra
from transformers import LlamaForCausalLM  # isort: skip - behind the loop, whose error names the extra

RECIPE = Recipe(steps=4000, peak=6e-4)

Row = tuple[list[int], list[float]]


def row(question: str, chain: Chain) -> Row:
    """Tokens, and at each mark the value of its step; NaN where there is no label."""
    tokens, labels = [BOS, *encode(question + "\n")], [math.nan] * (1 + len(question.encode()) + 1)
    for step, value in zip(chain.steps, chain.values, strict=True):
        text = encode(marked(question, [step]))
        tokens += text
        labels += [math.nan] * len(text)
        labels[-2] = value  # the line ends with the mark and a line end
    return tokens, labels


def hindsight(question: str, chain: Chain) -> Iterator[tuple[str, Chain]]:
    """A Countdown solution that missed its target, asked for what it reached instead: so its last step is right if all is in order.

    Nothing is known about the steps before. Right ends are rare, and without these the model was slow to compare an end with its
    target (hindsight relabelling, Andrychowicz et al. 2017).
    """
    puzzle, reached = countdown.puzzle(question), chain.steps[-1].rpartition("=")[2]
    if puzzle is None or chain.values[-1] == 1 or not reached.isdecimal():
        return
    asked = countdown.problem(countdown.countdown_mixed, puzzle[0], int(reached))
    right = expression.grade(asked, "\n".join(chain.steps)).value or 0.0
    yield asked.question, Chain(chain.steps, (*[math.nan] * (len(chain.steps) - 1), right))


def rows(path: Path, width: int) -> list[Row]:
    """All chains of the file, and their hindsight, that fit into a row."""
    decoder = msgspec.json.Decoder(Labelled)
    with path.open("rb") as file:
        chains = [(one.question, chain) for one in map(decoder.decode, file) for chain in one.chains]
    chains += [relabelled for question, chain in chains for relabelled in hindsight(question, chain)]
    return [one for one in itertools.starmap(row, chains) if len(one[0]) <= width]


def shuffled(found: Sequence[Row], seed: int, step: int) -> Iterator[Row]:
    """Rows at random, without end: a function of seed and step."""
    rng = random.Random(f"{seed}/{step}")
    while True:
        yield rng.choice(found)


def judgement(model: Any, tokens: Any, labels: Any) -> Any:
    """The mean cross-entropy in nats between the values and what the model gives ` +` and ` -`: tokens and labels (rows, width)."""
    good, bad = encode(GOOD)[0], encode(BAD)[0]
    at = ~torch.isnan(labels)
    logits = model(input_ids=tokens).logits[:, :-1][at[:, 1:]]
    chances = torch.log_softmax(logits, -1)
    values = labels[at]
    return -(values * chances[:, good] + (1 - values) * chances[:, bad]).mean()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.prm", description=__doc__)
    parser.add_argument("labels", type=Path, help="what ponder.train.rollouts wrote")
    parser.add_argument("folder", type=Path, help="where checkpoint.pt, mini-prm.gguf and its checksum go")
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(steps=options.steps, peak=RECIPE.peak)
    torch.set_num_threads(recipe.threads)
    policy = download("builtin:mini")
    model = LlamaForCausalLM.from_pretrained(policy.parent, gguf_file=policy.name, dtype=torch.float32)
    found = rows(options.labels, recipe.width)

    def loss(model: Any, step: int) -> Any:
        tokens, labels = packed(shuffled(found, recipe.seed, step), recipe.rows, recipe.width, np.float32(math.nan))
        return judgement(model, torch.from_numpy(tokens), torch.from_numpy(labels))

    train(model, loss, recipe, options.folder / "checkpoint.pt")
    ship(model, "mini-prm", options.folder)


if __name__ == "__main__":
    main()
