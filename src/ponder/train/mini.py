"""Train `builtin:mini` from nothing on two CPU cores and export it: `python -m ponder.train.mini FOLDER`."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ponder.train.data import BOS, EOS, IGNORED, PAD, VOCABULARY, batch
from ponder.train.loop import Loss, Recipe, ship, train

import torch  # isort: skip - behind the loop, whose error names the extra
from transformers import LlamaConfig, LlamaForCausalLM  # isort: skip - behind the loop, whose error names the extra


def shape(hidden: int = 256, layers: int = 4) -> LlamaConfig:
    """A Llama over bytes; of 2.9 million parameters, or of the `hidden` size and `layers` given."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=hidden * 21 // 8,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )


def fresh(recipe: Recipe, config: LlamaConfig | None = None) -> Any:
    """An untrained LlamaForCausalLM; sets torch's seed and threads."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    return LlamaForCausalLM(config or shape())


def loss(recipe: Recipe) -> Loss:
    """The mean over the tokens of the answers, in nats; each row's part of it by itself."""

    def mean(model: Any, step: int) -> Iterator[Any]:
        tokens, labels = batch(recipe.seed, step, recipe.rows, recipe.width)
        answers = int((labels != IGNORED).sum())
        for row, wanted in zip(torch.from_numpy(tokens), torch.from_numpy(labels), strict=True):
            logits = model(input_ids=row[None, :-1]).logits[0]
            yield torch.nn.functional.cross_entropy(logits, wanted[1:], reduction="sum") / answers

    return mean


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.mini", description=__doc__)
    parser.add_argument("folder", type=Path, help="where checkpoint.pt, mini.gguf and its checksum go")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(steps=options.steps)
    model = fresh(recipe)
    train(model, loss(recipe), recipe, options.folder / "checkpoint.pt")
    ship(model, "mini", options.folder)


if __name__ == "__main__":
    main()
