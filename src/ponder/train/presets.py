"""The published methods by name, on a CPU: each the advantages and the objective of its paper over the same draws.

(`trainer.PRESETS` are the same names for TRL.)
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ponder.errors import InputError
from ponder.train import advantage, grpo, ppo
from ponder.train.grpo import Floats, Lesson, Plan, Rollouts, Teach
from ponder.train.objective import PRESETS

LAWS: dict[str, Callable[[Floats], Floats]] = {
    "grpo": advantage.grpo,
    "dr-grpo": advantage.dr_grpo,
    "dapo": advantage.grpo,
    "rloo": advantage.rloo,
    "reinforce++": advantage.reinforce_pp_baseline,
}
"""An answer's advantage from the rewards of its group, (groups, samples). (REINFORCE++ is its form with groups.)"""


def taught(law: Callable[[Floats], Floats]) -> Teach:
    """Every answer of the groups whose rewards are all known and differ, each token worth what `law` says of the whole."""

    def teach(rollouts: Rollouts, plan: Plan, _step: int) -> tuple[list[Lesson], dict[str, float]]:
        rewards = np.nan_to_num(rollouts.rewards)
        useful = np.flatnonzero(advantage.mixed(rewards) & ~np.isnan(rollouts.rewards).any(1))
        if not len(useful):
            return [], {}
        gains, samples = law(rewards[useful]), rewards.shape[1]
        found = [
            (group * samples + place, gain) for group, row in zip(useful, gains, strict=True) for place, gain in enumerate(row)
        ]
        return [grpo.lesson(rollouts, plan, at, gain) for at, gain in found], {}

    return teach


def learn(name: str, model: Any, plan: Plan, folder: Path, told: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """`grpo.learn` by the method called `name`, one of LAWS or `ppo`; raises InputError for another.

    With `dapo`, up to four times the prompts are drawn to fill a step with groups that teach something.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset `{name}`; the presets are {', '.join(PRESETS)}")
    plan = replace(plan, objective=PRESETS[name], rounds=4 if name == "dapo" else plan.rounds)
    if name == "ppo":
        ppo.learn(model, plan, folder, told)
    else:
        grpo.learn(model, plan, folder, told, taught(LAWS[name]))
