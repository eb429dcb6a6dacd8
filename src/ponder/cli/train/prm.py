"""`ponder train prm`: process reward models, and outcome ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from ponder.cli import given, live, show


@Parameter(name="*")
@dataclass(frozen=True)
class Effort:
    """How much is learnt, and how fast.

    Parameters
    ----------
    steps
        Optimizer steps: without a number 2400 for a builtin model, 1000 for another.
    rate
        The learning rate at its height: 6e-4 for a builtin model, 1e-5 for another.
    threads
        Of a builtin model's training.
    device
        Of another model's training: cpu, cuda.
    dry_run
        Two steps on a tiny random body, on a CPU; nothing is downloaded.
    """

    steps: int | None = None
    rate: float | None = None
    threads: int = 2
    device: str = "cpu"
    dry_run: bool = False


def prm(
    labels: Path,
    folder: Path,
    /,
    *,
    model: str = "builtin:mini-zero",
    outcome: bool = False,
    draw: int | None = None,
    effort: Effort = Effort(),
    json: bool = False,
) -> None:
    """Train a reward model on labelled steps: a builtin model to say it with a mark, any other with a head on it.

    What is written is a verifier: --verifier prm:FOLDER/mini-prm.gguf, or prm:FOLDER. Killed, the same command goes on.

    Example: ponder train prm labels.jsonl runs/prm --model Qwen/Qwen2.5-1.5B

    Parameters
    ----------
    labels
        A file that `ponder train labels` wrote; for a head also a set (docs/sets.md), a folder or its .jsonl.
    folder
        Where checkpoints and the trained model go.
    model
        What it begins with: a builtin model, a .gguf file made of one, or a Hugging Face name or folder.
    outcome
        Train an outcome reward model on a set of verdicts: --verifier orm:FOLDER.
    draw
        First draw what LABELS lacks of so many problems, 8 solutions of each by builtin:mini, labelled exactly.
    json
        Print one JSON object at the end: the verifier.
    """
    small = not effort.dry_run and (model.startswith("builtin:") or model.endswith(".gguf"))
    named = _small(labels, folder, model, draw, effort) if small else _large(labels, folder, model, outcome, effort)
    if json:
        show.json_line({"verifier": named})
    live.stderr.print(f"use it as --verifier {named}", style="dim", highlight=False, soft_wrap=True)


def _small(labels: Path, folder: Path, model: str, draw: int | None, effort: Effort) -> str:
    from ponder.train import prm as training
    from ponder.train.loop import load

    import torch  # isort: skip - behind the loop, whose error names the extra

    given.fetch(model)
    torch.set_num_threads(effort.threads)
    if draw:
        with live.progress("problems", draw) as told:
            training.extend(labels, load("builtin:mini"), draw, training.SOLUTIONS, training.RECIPE.seed, told)
    steps = effort.steps or training.RECIPE.steps
    recipe = replace(training.RECIPE, steps=steps, warmup=max(1, steps // 20), peak=effort.rate or training.RECIPE.peak)
    with live.progress("steps", steps) as told:
        return f"prm:{training.fit(load(model), training.read(labels), recipe, folder, told)}"


def _large(labels: Path, folder: Path, model: str, outcome: bool, effort: Effort) -> str:
    from ponder.train import head

    kind = "orm" if outcome else "prm"
    steps = effort.steps or (2 if effort.dry_run else head.RECIPE.steps)
    recipe = replace(head.RECIPE, steps=steps, warmup=max(1, steps // 20), peak=effort.rate or head.RECIPE.peak)
    body, tokenizer = head.random_body(folder / "random") if effort.dry_run else head.loaded(model, effort.device)
    taught = head.lessons(head.rows(labels), tokenizer, kind, recipe.width)
    with live.progress("steps", steps) as told:
        head.fit(body, tokenizer, taught, kind, recipe, folder, told)
    return f"{kind}:{folder}"
