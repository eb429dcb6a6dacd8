"""The training loop of the small models: AdamW, a cosine, checkpoints.

Counts steps, not minutes, so that a busy machine makes the same model. Killed, the same command goes on from the last checkpoint.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.errors import InputError, MissingExtra
from ponder.models.catalog import download
from ponder.models.gguf import checksum
from ponder.train.data import VOCABULARY
from ponder.train.export import export

try:
    import torch
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

log = logging.getLogger(__name__)

Loss = Callable[[Any, int], Iterable[Any]]
"""The loss of a model at a step, a function of both, so that a resumed run sees the same: scalar tensors whose sum it is. Each is
gone through by itself, and what it needs on the way should fit into a cache: parts of 256 to 512 tokens take three quarters of the
time of one of 4,096, and two thirds of it where another core is at work."""


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


Told = Callable[[], object]
"""Hears of each step that is done."""


def untold() -> None:
    """Nobody hears."""


def train(model: Any, loss: Loss, recipe: Recipe, checkpoint: Path, told: Told = untold) -> None:
    """Train `model` in place; goes on from `checkpoint` if it exists, and writes it every `recipe.keep` steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.peak, betas=(0.9, 0.95), weight_decay=recipe.decay)
    first = _restore(checkpoint, model, optimizer)
    log.info("%d parameters, steps %d to %d", model.num_parameters(), first, recipe.steps)
    began, losses = time.monotonic(), list[float]()
    for done, value in _steps(recipe, model, optimizer, loss, first):
        losses.append(value)
        told()
        if done % 50 == 0 or done == recipe.steps:
            seconds = (time.monotonic() - began) / (done - first)
            speed, left = recipe.rows * recipe.width / seconds, (recipe.steps - done) * seconds / 60
            log.info("step %d  loss %.4f  %.0f tokens/s  %.1f minutes left", done, sum(losses) / len(losses), speed, left)
            losses.clear()
        if done % recipe.keep == 0 or done == recipe.steps:
            _save(checkpoint, model, optimizer, done)


def load(name: str) -> Any:
    """`builtin:mini`, or a .gguf file of its kind (what `ship` writes), as a LlamaForCausalLM in float32.

    Raises InputError for another kind, and for a file that is not there.
    """
    from transformers import LlamaForCausalLM

    weights = download(name) if name.startswith("builtin:") else Path(name)
    if not weights.is_file():
        raise InputError(f"there is no file `{name}`; name builtin:mini, or the .gguf that a run has written")
    model = LlamaForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    if model.config.vocab_size != VOCABULARY:
        raise InputError(
            f"`{name}` knows {model.config.vocab_size} tokens; only models of bytes ({VOCABULARY}) are trained here; "
            f"give the Hugging Face name of this one, and TRL trains it"
        )
    return model


def ship(model: Any, name: str, folder: Path) -> Path:
    """Write the model as `name`.gguf with its checksum beside it."""
    weights = folder / f"{name}.gguf"
    export(model, name, weights)
    weights.with_name(f"{weights.name}.sha256").write_text(f"{checksum(weights)}  {weights.name}\n")
    log.info("wrote %s", weights)
    return weights


def _steps(recipe: Recipe, model: Any, optimizer: Any, loss: Loss, first: int) -> Iterator[tuple[int, float]]:
    """Each step as it is done: how many are done, and its loss."""
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        value = 0.0
        for part in loss(model, step):
            part.backward()
            value += part.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        yield step + 1, value


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
