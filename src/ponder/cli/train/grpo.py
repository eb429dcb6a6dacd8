"""`ponder train grpo`: reinforcement learning with verifiable rewards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from ponder.cli import given, live, show

Preset = Literal["grpo", "dr-grpo", "dapo", "rloo", "reinforce++", "ppo"]


@Parameter(name="*")
@dataclass(frozen=True)
class Sizes:
    """How much is learnt, and how fast. Without a number, that of the way it is trained (docs/grpo.md, docs/trainer.md).

    Parameters
    ----------
    steps
        Optimizer steps.
    prompts
        Problems a step.
    samples
        Answers drawn to each of them.
    rate
        The learning rate at its height.
    seed
        Problems and draws depend on this number.
    """

    steps: int | None = None
    prompts: int | None = None
    samples: int | None = None
    rate: float | None = None
    seed: int = 1

    def given(self) -> dict[str, Any]:
        named = {"steps": self.steps, "prompts": self.prompts, "samples": self.samples, "rate": self.rate, "seed": self.seed}
        return {name: value for name, value in named.items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class Machine:
    """Where TRL trains.

    Parameters
    ----------
    tokens
        The longest answer, in tokens; builtin models take their task's.
    lora
        Train a LoRA of this rank instead of all weights.
    vllm
        Draw with vLLM on this machine's GPUs.
    cpu
        Train on the CPU.
    dry_run
        Two steps on a tiny random model, on a CPU; nothing is downloaded.
    """

    tokens: int | None = None
    lora: int | None = None
    vllm: bool = False
    cpu: bool = False
    dry_run: bool = False


def grpo(
    model: str,
    folder: Path,
    /,
    *,
    preset: Preset = "dapo",
    tasks: str = "countdown-4",
    sizes: Sizes = Sizes(),
    machine: Machine = Machine(),
    json: bool = False,
) -> None:
    """Reinforcement learning with verifiable rewards: the tasks' own checks pay, and monitors stop a run that games them.

    A builtin model learns on this CPU, any other by TRL. Killed, the same command goes on from the last checkpoint.

    Example: ponder train grpo builtin:mini runs/first --tasks countdown-3 --steps 20

    Parameters
    ----------
    model
        builtin:mini, a .gguf file that was made of it, or a Hugging Face name or folder.
    folder
        Where checkpoints, the log of the steps, report.html and the trained model go.
    preset
        The published method: docs/advantage.md has their formulas. ppo is for builtin models alone.
    tasks
        Names of `ponder tasks`, joined by commas; only their training splits are used.
    json
        Print one JSON object at the end: the steps, the reward at first and at last, the files.
    """
    from ponder.train import curves

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    for name in names:
        given.task(name, None)
    small = not machine.dry_run and (model.startswith("builtin:") or model.endswith(".gguf"))
    weights = _small(model, folder, preset, names, sizes) if small else _large(model, folder, preset, names, sizes, machine)
    steps = curves.read(folder)
    report = curves.page(folder, folder / "report.html")
    if json:
        rewards = curves.values(steps, "reward")
        show.json_line({"steps": len(steps), "reward": [rewards[0], rewards[-1]], "model": str(weights), "report": str(report)})
    live.stderr.print(f"wrote {weights}, {report}", style="dim", highlight=False, soft_wrap=True)


def _small(model: str, folder: Path, preset: Preset, tasks: list[str], sizes: Sizes) -> Path:
    from ponder.train import presets
    from ponder.train.grpo import Plan
    from ponder.train.loop import load, ship

    given.fetch(model)
    plan = Plan(mix=dict.fromkeys(tasks, 1 / len(tasks)), **sizes.given())
    policy = load(model)
    with live.training(plan.steps) as told:
        presets.learn(preset, policy, plan, folder, told)
    return ship(policy, "policy", folder)


def _large(model: str, folder: Path, preset: Preset, tasks: list[str], sizes: Sizes, machine: Machine) -> Path:
    from ponder.train import trainer

    chosen = trainer.preset(preset)
    if chosen.lacks:
        live.stderr.print(f"of {preset} TRL lacks {chosen.lacks}", style="dim", highlight=False)
    asked = {"lora": machine.lora, "vllm": machine.vllm, "cpu": machine.cpu, **sizes.given()}
    run = trainer.Run(tuple(tasks), **asked | ({} if machine.tokens is None else {"tokens": machine.tokens}))
    if machine.dry_run:
        run = trainer.rehearsal(run)
    with live.training(run.steps) as told:
        return trainer.train(None if machine.dry_run else model, chosen, run, folder, told)
