"""Train `builtin:mini` from nothing on two CPU cores and export it: `python -m ponder.train.mini FOLDER`.

Counts steps, not minutes, so that a busy machine makes the same model. Killed, the same command goes on from the last checkpoint.
"""

import argparse
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.errors import MissingExtra
from ponder.models.gguf import checksum
from ponder.train.data import BOS, EOS, PAD, VOCABULARY, batch
from ponder.train.export import export

try:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps of `rows` x `width` tokens; AdamW, its rate rising over `warmup` steps to `peak`, then a cosine down to 5 % of it.

    A checkpoint is written every `keep` steps. Matrix products use `threads` threads: with another number, sums round otherwise.
    """

    steps: int = 5500
    rows: int = 8
    width: int = 256
    peak: float = 1.5e-3
    warmup: int = 200
    decay: float = 0.1
    clip: float = 1.0
    seed: int = 1
    threads: int = 2
    keep: int = 250

    def rate(self, step: int) -> float:
        cosine = (1 + math.cos(math.pi * step / self.steps)) / 2
        return self.peak * min(1.0, (step + 1) / self.warmup) * (0.05 + 0.95 * cosine)


def shape() -> LlamaConfig:
    """A Llama of 2.9 million parameters over bytes."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=672,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )


def train(recipe: Recipe, checkpoint: Path) -> Any:
    """The trained LlamaForCausalLM; goes on from `checkpoint` if it exists, and writes it every `recipe.keep` steps."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = LlamaForCausalLM(shape())
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.peak, betas=(0.9, 0.95), weight_decay=recipe.decay)
    first = _restore(checkpoint, model, optimizer)
    log.info("%d parameters, steps %d to %d", model.num_parameters(), first, recipe.steps)
    began, losses = time.monotonic(), list[float]()
    for done, loss in _steps(recipe, model, optimizer, first):
        losses.append(loss)
        if done % 50 == 0 or done == recipe.steps:
            seconds = (time.monotonic() - began) / (done - first)
            speed, left = recipe.rows * recipe.width / seconds, (recipe.steps - done) * seconds / 60
            log.info("step %d  loss %.4f  %.0f tokens/s  %.1f minutes left", done, sum(losses) / len(losses), speed, left)
            losses.clear()
        if done % recipe.keep == 0 or done == recipe.steps:
            _save(checkpoint, model, optimizer, done)
    return model


def _steps(recipe: Recipe, model: Any, optimizer: Any, first: int) -> Iterator[tuple[int, float]]:
    """Each step as it is done: how many are done, and the mean loss of its answers' tokens in nats."""
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        tokens, labels = map(torch.from_numpy, batch(recipe.seed, step, recipe.rows, recipe.width))
        loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        yield step + 1, loss.item()


def _restore(checkpoint: Path, model: Any, optimizer: Any) -> int:
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def _save(checkpoint: Path, model: Any, optimizer: Any, step: int) -> None:
    """Written beside and moved into place: a kill leaves the old checkpoint or the new one."""
    draft = checkpoint.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, draft)
    draft.replace(checkpoint)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.mini", description=__doc__)
    parser.add_argument("folder", type=Path, help="where checkpoint.pt, mini.gguf and its checksum go")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    model = train(Recipe(steps=options.steps), options.folder / "checkpoint.pt")
    weights = options.folder / "mini.gguf"
    export(model, "mini", weights)
    weights.with_name("mini.gguf.sha256").write_text(f"{checksum(weights)}  {weights.name}\n")
    log.info("wrote %s", weights)


if __name__ == "__main__":
    main()
