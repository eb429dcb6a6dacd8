"""Train `builtin:mini-prm` from `builtin:mini` and the labels of `train.rollouts`: `python -m ponder.train.prm LABELS FOLDER`.

A process reward model that is a language model: behind each step stands a mark, ` +`, and what the model would have put there, ` +`
or ` -`, is its judgement. The marks before are always ` +`, so that a chain is judged in one pass and a longer one goes on from it.
"""

import argparse
import logging
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ponder.models.catalog import download
from ponder.train.data import BOS, encode, packed
from ponder.train.loop import Recipe, ship, torch, train
from ponder.train.rollouts import Chain, Labelled
from ponder.verifiers.prm import BAD, GOOD, marked

from transformers import LlamaForCausalLM  # isort: skip - behind the loop, whose error names the extra

RECIPE = Recipe(steps=3500, peak=6e-4)

Row = tuple[list[int], list[float]]


def row(question: str, chain: Chain) -> Row:
    """Tokens, and at each mark the value of its step; NaN where there is no label."""
    tokens, labels = [BOS, *encode(question + "\n")], [math.nan] * (1 + len(question.encode()) + 1)
    for step, value in zip(chain.steps, chain.values, strict=True):
        text = encode(marked([step]))
        tokens += text
        labels += [math.nan] * len(text)
        labels[-2] = value  # the line ends with the mark and a line end
    return tokens, labels


def rows(path: Path, width: int) -> list[Row]:
    """All chains of the file that fit into a row."""
    decoder = msgspec.json.Decoder(Labelled)
    with path.open("rb") as file:
        found = [row(one.question, chain) for one in map(decoder.decode, file) for chain in one.chains]
    return [one for one in found if len(one[0]) <= width]


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
