"""What process reward models of builtin size know, on held-out problems: AUC by step, first errors, calibration.

python benchmarks/prm.py [FILE.gguf ...]      # builtin:mini-prm, and others to compare; four minutes on one core
"""

import asyncio
import sys

import numpy as np
import torch

from ponder.lab.processbench import RIGHT, earliest, marks, tuned
from ponder.lab.scores import auc
from ponder.policy.calibration import expected_calibration_error
from ponder.tasks import get, problem
from ponder.trace import Trace, tracing
from ponder.train.loop import load
from ponder.train.prm import drawn
from ponder.train.rollouts import Labelled
from ponder.types import Sample
from ponder.verifiers import opened

PROBLEMS, SAMPLES = 200, 8


def solutions(name: str, split: str, seed: int) -> list[Labelled]:
    """Distinct solutions by `builtin:mini`, their steps labelled by search: can the target still be reached?"""
    return list(drawn(load("builtin:mini"), get(name).load(split, PROBLEMS), SAMPLES, seed))


def pairs(verifier: str, name: str, found: list[Labelled]) -> list[tuple[tuple[float, ...], list[float]]]:
    """The labels of each solution's steps, and the verifier's values; a solution with a step that it cannot judge is left out."""
    return asyncio.run(_pairs(verifier, name, found))


async def _pairs(verifier: str, name: str, found: list[Labelled]) -> list[tuple[tuple[float, ...], list[float]]]:
    async with opened(verifier, get(name)) as prm:

        async def judged(one: Labelled) -> list[tuple[tuple[float, ...], list[float]]]:
            asked = problem(one.question)
            with tracing(Trace()):
                scores = await prm(asked, [Sample("\n".join(chain.steps)) for chain in one.chains])
            return [
                (chain.values, [value or 0.0 for value in score.steps]) for chain, score in zip(one.chains, scores, strict=True)
            ]

        return [pair for one in found for pair in await judged(one)]


def wrong(labels: tuple[float, ...]) -> int:
    return labels.index(0.0) if 0.0 in labels else RIGHT


def first_errors(tuning: list, held: list) -> str:
    """The measure of ProcessBench, its threshold tuned on other problems."""
    threshold = tuned([wrong(labels) for labels, _ in tuning], [values for _, values in tuning])
    found = marks([wrong(labels) for labels, _ in held], [earliest(values, threshold) for _, values in held])
    return f"first errors found {found.wrong:.3f}, right passed {found.right:.3f}, F1 {found.f1:.3f}, threshold {threshold:.3f}"


def told(values: np.ndarray, labels: np.ndarray) -> str:
    return f"AUC {auc(values, labels):.3f}, ECE {expected_calibration_error(values.tolist(), labels.tolist()):.3f}"


def report(tuning: list, held: list) -> None:
    labels, values = (np.array([one for row in held for one in row[side]]) for side in (0, 1))
    print(f"    all steps: {told(values, labels)}; {first_errors(tuning, held)}")
    for back in (1, 2, 3, 4):
        seen = [(values[-back], labels[-back], labels[-1]) for labels, values in held if len(labels) >= back]
        if len(seen) > len(held) / 2:
            values, labels, ends = map(np.array, zip(*seen, strict=True))
            print(f"    step {back} from the end: {told(values, labels)}; of the solution's end AUC {auc(values, ends):.3f}")


def main() -> None:
    torch.set_num_threads(1)
    for name in ("countdown-3", "countdown-4", "countdown-5"):
        tuning, held = solutions(name, "validation", 5), solutions(name, "test", 7)
        for verifier in ("builtin:mini-prm", *(f"prm:{file}" for file in sys.argv[1:])):
            known = pairs(verifier, name, held)
            print(f"{name}, {verifier}: {len(known)} solutions judged, {np.mean([labels[-1] for labels, _ in known]):.1%} right")
            report(pairs(verifier, name, tuning), known)


if __name__ == "__main__":
    main()
