"""Train a reward head on any Hugging Face body: `ponder train prm SET FOLDER --model MODEL`; use it as `--verifier prm:FOLDER`.

A linear head on the body's last hidden states, trained with it by cross-entropy at the ends of the steps (`prm`, on a stepwise
set), or at the end of the answer (`orm`, on a set of verdicts). What is written, where it is read and how the weights are called
are `verifiers.heads`' formats of Skywork and of sequence classifiers, so what was trained is loaded like the published ones. (TRL
1.16 has no trainer of process reward models any more.)
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ponder.errors import InputError, MissingExtra
from ponder.tasks import files
from ponder.train.loop import Recipe, Told, train, untold
from ponder.train.rollouts import Labelled
from ponder.train.sets import stepwise
from ponder.train.trainer import tiny
from ponder.types import Message
from ponder.verifiers.heads import FORMATS, Read

try:
    import torch
    from transformers import AutoModel, AutoTokenizer
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error

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


def fit(model: Any, tokenizer: Any, taught: Sequence[Lesson], kind: str, recipe: Recipe, folder: Path, told: Told = untold) -> None:
    """Train the body `model` and a new head on it into `folder`, which `verifiers.heads` loads; goes on from its checkpoint.pt."""
    head = KINDS[kind][1]
    layer = torch.nn.Linear(model.config.hidden_size, 1, bias=kind == "prm").to(model.device, model.dtype)
    torch.nn.init.zeros_(layer.weight)  # with no bias yet, the first judgement of everything is one half
    setattr(model, head, layer)
    folder.mkdir(parents=True, exist_ok=True)

    def at(model: Any, step: int) -> list[Any]:
        return [loss(model, random.Random(f"{recipe.seed}/{step}").choices(taught, k=recipe.rows), head)]

    train(model, at, recipe, folder / "checkpoint.pt", told)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def loaded(name: str, device: str = "cpu") -> tuple[Any, Any]:
    """The body and the tokenizer of a Hugging Face name or folder, in float32 on the device."""
    return AutoModel.from_pretrained(name, dtype=torch.float32).to(device), AutoTokenizer.from_pretrained(name)


def random_body(folder: Path) -> tuple[Any, Any]:
    """A tiny random body in `folder`, and its tokenizer: to rehearse."""
    name, tokenizer = tiny(folder)
    return AutoModel.from_pretrained(name), tokenizer


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a set's file, of its folder as `sets.write` makes it, or of a file of labels."""
    found = [row for _, row in files.rows(path / "data" / "train.jsonl" if path.is_dir() else path)]
    return stepwise(msgspec.convert(row, Labelled) for row in found) if found and "chains" in found[0] else found
