"""Train a reward head on any Hugging Face body: `python -m ponder.train.head MODEL SET FOLDER`; use it as `--verifier prm:FOLDER`.

A linear head on the body's last hidden states, trained with it by cross-entropy at the ends of the steps (`prm`, on a stepwise
set), or at the end of the answer (`orm`, on a set of verdicts). What is written, where it is read and how the weights are called
are `verifiers.heads`' formats of Skywork and of sequence classifiers, so what was trained is loaded like the published ones. (TRL
1.16 has no trainer of process reward models any more.)
"""

import argparse
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.errors import InputError, MissingExtra
from ponder.tasks import files
from ponder.train.loop import Recipe, train
from ponder.train.trainer import tiny
from ponder.types import Message
from ponder.verifiers.heads import FORMATS, Read

try:
    import torch
    from transformers import AutoModel, AutoTokenizer
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

log = logging.getLogger(__name__)

KINDS = {"prm": ("skywork", "v_head"), "orm": ("outcome", "score")}
"""Each kind's format, and the name that its head has in the checkpoint."""

RECIPE = Recipe(steps=1000, rows=16, width=1024, peak=1e-5, decay=0.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """The tokens of a solution, the places where it is read, and whether it is right there."""

    ids: list[int]
    places: list[int]
    right: list[bool]


def lessons(rows: Iterable[dict[str, Any]], tokenizer: Any, kind: str, longest: int) -> list[Lesson]:
    """The rows of a stepwise set (`prm`) or of verdicts (`orm`) of at most `longest` tokens. Raises InputError if none is left."""
    write = FORMATS[KINDS[kind][0]]
    found = []
    for row in rows:
        question, steps, right = _read(row)
        ids, places = _written(write(tokenizer, question, steps), steps, kind)
        if len(ids) <= longest:
            found.append(Lesson(ids, places, right))
    if not found:
        raise InputError(f"no row of the set has {longest} tokens or fewer; take a set with rows, or shorter ones")
    return found


def _read(row: dict[str, Any]) -> tuple[list[Message], list[str], list[bool]]:
    try:
        if "completions" in row:
            return [Message("user", row["prompt"])], row["completions"], row["labels"]
        asked = [Message(one["role"], one["content"]) for one in row["prompt"]]
        return asked, [one["content"] for one in row["completion"]], [row["label"]]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"a row of the set has no {error} ({list(row)}); `sets.stepwise` and `sets.verdicts` make such rows"
        ) from error


def _written(read: Read, steps: Sequence[str], kind: str) -> Read:
    ids, places = read
    if len(places) != (len(steps) if kind == "prm" else 1):
        raise InputError(f"{len(places)} places to read {len(steps)} steps: a step holds the mark that stands between them")
    return ids, places


def loss(model: Any, batch: Sequence[Lesson], head: str) -> Any:
    """The mean over places of the cross-entropy in nats between right or wrong and the head's sigmoid."""
    width = max(len(one.ids) for one in batch)
    ids = torch.tensor([one.ids + [0] * (width - len(one.ids)) for one in batch], device=model.device)
    mask = torch.tensor([[1] * len(one.ids) + [0] * (width - len(one.ids)) for one in batch], device=model.device)
    states = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    at = [(row, place) for row, one in enumerate(batch) for place in one.places]
    rows, places = zip(*at, strict=True)
    values = getattr(model, head)(states[list(rows), list(places)])[:, 0]
    right = torch.tensor([float(label) for one in batch for label in one.right], device=model.device)
    return torch.nn.functional.binary_cross_entropy_with_logits(values.float(), right)


def fit(model: Any, tokenizer: Any, taught: Sequence[Lesson], kind: str, recipe: Recipe, folder: Path) -> None:
    """Train the body `model` and a new head on it into `folder`, which `verifiers.heads` loads; goes on from its checkpoint.pt."""
    head = KINDS[kind][1]
    layer = torch.nn.Linear(model.config.hidden_size, 1, bias=kind == "prm").to(model.device, model.dtype)
    torch.nn.init.zeros_(layer.weight)  # with no bias yet, the first judgement of everything is one half
    setattr(model, head, layer)
    folder.mkdir(parents=True, exist_ok=True)

    def at(model: Any, step: int) -> Any:
        return loss(model, random.Random(f"{recipe.seed}/{step}").choices(taught, k=recipe.rows), head)

    train(model, at, recipe, folder / "checkpoint.pt")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a set's file, or of its folder as `sets.write` makes it."""
    return [row for _, row in files.rows(path / "data" / "train.jsonl" if path.is_dir() else path)]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.head", description=__doc__)
    parser.add_argument("model", help="the body: a Hugging Face name or folder; anything, with --dry-run")
    parser.add_argument("set", type=Path, help="a folder that sets.write made, or its .jsonl")
    parser.add_argument("folder", type=Path, help="where the reward model goes; a killed run goes on from its checkpoint")
    parser.add_argument("--kind", choices=KINDS, default="prm")
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--rows", type=int, default=RECIPE.rows, help="solutions a step")
    parser.add_argument("--longest", type=int, default=RECIPE.width, help="tokens of a solution; longer ones are left out")
    parser.add_argument("--rate", type=float, default=RECIPE.peak)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="two steps on a tiny random model, on a CPU")
    options = parser.parse_args()
    recipe = Recipe(options.steps, options.rows, options.longest, options.rate, warmup=max(1, options.steps // 20), decay=0.0)
    if options.dry_run:
        options.model, tokenizer = tiny(options.folder / "random")
        recipe = Recipe(2, 2, recipe.width, warmup=1)
    else:
        tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModel.from_pretrained(options.model, dtype=torch.float32).to(options.device)
    fit(model, tokenizer, lessons(rows(options.set), tokenizer, options.kind, recipe.width), options.kind, recipe, options.folder)
    log.info("use it as --verifier %s:%s", options.kind, options.folder)


if __name__ == "__main__":
    main()
