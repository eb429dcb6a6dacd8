"""What a fixed total solves of a whole data set, by how it is given out: 60 problems of Countdown with builtin:mini.

Each allocation spends the same total of computed tokens on the same problems, with the same samples; the estimators have learnt
from others. Shown are means over seeds, and in brackets the 95 % interval of the gain over uniform, paired by problem; above, how
well the estimators tell the difficulty of these problems. Draws are kept for the run, so that none is made twice.

    python benchmarks/batch.py [--problems 60] [--seeds 2] [--train 150]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ponder.batch import Allocation, batch
from ponder.lab.bank import Bank, draw_bank
from ponder.lab.intervals import paired_interval
from ponder.models.catalog import opened
from ponder.policy.calibration import brier, expected_calibration_error, reliability
from ponder.policy.difficulty import Estimator, Kind, fit
from ponder.store import Store, keeping
from ponder.tasks import tasks
from ponder.types import Answer, Model, Problem

SAMPLES = 12
TOTALS = (6_000, 12_000, 24_000, 48_000)


async def solved(problems: Sequence[Problem], seeds: int, **how: Any) -> tuple[list[float], int]:
    """Of each problem, the share of seeds that solve it; and the most tokens that a seed spent."""
    rows, spent = np.zeros(len(problems)), 0
    for seed in range(seeds):
        outcomes = await batch(problems, seed=seed, **how)
        answers = [one for one in outcomes if isinstance(one, Answer)]
        spent = max(spent, sum(use.computed for one in answers for use in one.usage.values()))
        rows += [any(c.value == 1 for c in one.candidates) if isinstance(one, Answer) else False for one in outcomes]
    return (rows / seeds).tolist(), spent


async def compare(problems: Sequence[Problem], seeds: int, model: Model, text: Estimator, probe: Estimator, store: Store) -> None:
    plans: dict[str, tuple[Allocation, Estimator | None]] = {
        "uniform": ("uniform", None),
        "preallocated(text)": ("preallocated", text),
        "elimination": ("elimination", None),
        "marginal(text)": ("marginal", text),
        "marginal(probe)": ("marginal", probe),
    }
    print(f"solved, % of {len(problems)}, mean of {seeds} seeds\n{'tokens':>8}" + "".join(f"{name:>22}" for name in plans))
    for total in TOTALS:
        line, base = f"{total:8}", list[float]()
        for allocation, estimator in plans.values():
            how = {"allocation": allocation, "estimator": estimator}
            rows, spent = await solved(problems, seeds, model=model, total=str(total), store=store, **how)
            assert spent <= total
            base = base or rows
            low, high = paired_interval(np.array([rows]).T, np.array([base]).T)
            gain = f" [{100 * low[0]:+.1f}, {100 * high[0]:+.1f}]" if rows is not base else ""
            line += f"{f'{100 * np.mean(rows):.1f}{gain}':>22}"
        print(line, flush=True)


def learnt(kind: Kind, size: int, bank: Bank) -> Estimator:
    return fit(kind, bank.problems, bank.candidates, bank.correct, size)


def unscored(bank: Bank) -> Bank:
    """The same samples where nothing verifies."""
    return replace(bank, candidates=[[replace(one, score=None) for one in row] for row in bank.candidates])


def told(name: str, estimator: Estimator, bank: Bank) -> None:
    """How well the difficulty is told, against that of the samples that the estimator has not seen."""
    guesses = [estimator(problem, row) for problem, row in zip(bank.problems, bank.candidates, strict=True)]
    known = [(one, 1 - row[estimator.probe :].mean()) for one, row in zip(guesses, bank.correct, strict=True) if one is not None]
    predicted, happened = zip(*known, strict=True)
    mean = [float(np.mean(happened))] * len(happened)
    print(
        f"{name:22} correlation {np.corrcoef(predicted, happened)[0, 1]:.2f}, "
        f"calibration error {expected_calibration_error(predicted, happened, 5):.3f}, "
        f"Brier {brier(predicted, happened):.3f} (of the mean alone {brier(mean, happened):.3f})   "
        + "  ".join(f"{one:.2f} {truth:.2f} x{count}" for one, truth, count in reliability(predicted, happened, 5))
    )


async def main(given: argparse.Namespace) -> None:
    task = tasks.get("countdown")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bank.sqlite")
        async with opened(task.model) as model:
            with keeping(store):
                train = await draw_bank(task.load("train", given.train), model, SAMPLES, verifier=task.chooser)
                held = await draw_bank(task.load("validation", given.problems), model, SAMPLES, verifier=task.chooser)
            text, probe = learnt("text", 0, train), learnt("probe", 2, train)
            print("estimators: reliability as predicted happened x problems")
            told("text", text, held)
            for size in (2, 4):
                told(f"probe of {size}, checked", learnt("probe", size, train), held)
                told(f"probe of {size}, unchecked", learnt("probe", size, unscored(train)), unscored(held))
            await compare(held.problems, given.seeds, model, text, probe, store)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--train", type=int, default=150)
    asyncio.run(main(parser.parse_args()))
