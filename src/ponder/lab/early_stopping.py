"""What early stopping would have saved on recorded samples: Adaptive-Consistency and ESC, replayed.

In the recorded order, and in random ones, which say what another run would have given. What was drawn votes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ponder.lab.recording import Recording
from ponder.lab.statistics import Floats, Ints, labelled, running_vote
from ponder.strategies import stopping

RULES: dict[str, Callable[[Ints, Floats], Any]] = {
    "adaptive-consistency": stopping.beta,
    "early-stopping-consistency": stopping.window,
}
"""With their published defaults: confidence .95, and windows of 5."""

_SAMPLES = 1_500_000  # that are replayed, over all orders
_FIRST = 32  # samples that a rule is shown at first, and four times as many each time it has not stopped


def early_stopping(recording: Recording, seed: int = 0) -> dict[str, Any]:
    """For each rule `accuracy` and `samples` a problem, means over random orders, `saved` (a share of all samples), `majority` (the
    accuracy of the vote of all), `tokens` where they are known, and `recorded`, accuracy and samples in the order of the file."""
    if recording.classes is None or recording.correct is None:
        return {}
    orders = int(np.clip(_SAMPLES // max(1, recording.samples), 1, 32))
    found: dict[str, list[Floats]] = {name: [] for name in RULES}
    generator = np.random.default_rng(seed)
    for _, places in recording.blocks():
        labels, quality = labelled(recording.classes[places], recording.correct[places])
        tokens = None if recording.tokens is None else recording.tokens[places]
        n = places.shape[1]
        shuffles = np.concatenate([np.arange(n)[None], generator.permuted(np.tile(np.arange(n), (orders, 1)), axis=1)])
        for row in range(len(places)):
            drawn, worth = labels[row][shuffles], quality[row][shuffles]
            won = running_vote(drawn, worth, np.ones(drawn.shape))
            spent = np.full(drawn.shape, np.nan) if tokens is None else np.cumsum(tokens[row][shuffles], axis=1)
            for name, rule in RULES.items():
                ends = np.array([_end(rule, one) for one in drawn])
                at = np.arange(len(ends)), ends - 1
                found[name].append(np.stack([won[at], ends, spent[at], won[:, -1], np.full(len(ends), n)]))
    return {name: _summary(np.array(rows)) for name, rows in found.items()}


def _end(rule: Callable[[Ints, Floats], Any], classes: Ints) -> int:
    """After how many samples the rule stops; an entry of a rule depends on the samples before it alone."""
    shown = _FIRST
    while True:
        part = classes[:shown]
        ends = np.flatnonzero(rule(part, np.full(part.shape, np.nan)))
        if ends.size or shown >= classes.size:
            return int(ends[0]) + 1 if ends.size else int(classes.size)
        shown *= 4


def _summary(rows: Floats) -> dict[str, Any]:
    """`rows` is (problems, what, orders), the recorded order first."""
    random, recorded = rows[:, :, 1:].mean(axis=(0, 2)), rows[:, :, 0].mean(axis=0)
    return {
        "accuracy": float(random[0]),
        "samples": float(random[1]),
        "saved": float(1 - random[1] / random[4]),
        "majority": float(random[3]),
        "tokens": None if np.isnan(random[2]) else float(random[2]),
        "recorded": {"accuracy": float(recorded[0]), "samples": float(recorded[1])},
    }
