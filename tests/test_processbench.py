"""ProcessBench: F1 by hand, the threshold, the files as they are, and verifiers through the same interface."""

import asyncio
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.lab.processbench import RIGHT, Marks, Solution, earliest, judge, marks, processbench, read, spread, tuned
from ponder.types import Problem, Reads, Sample, Score


@dataclass(frozen=True)
class Scripted:
    """Gives each solution the values that it is told to."""

    values: dict[str, tuple[float | None, ...]]
    name: str = "scripted"
    reads: Reads = "nothing"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        values = self.values[problem.id]
        return [Score(values[-1] if values else None, values, None if values else "nothing to say") for _ in samples]


@pytest.fixture(scope="module")
def parts(data: Path) -> dict[str, list[Solution]]:
    return {name: read(data / "step_processbench" / f"{name}.json.gz") for name in ("gsm8k", "olympiadbench")}


def test_the_files_hold_207_wrong_and_193_right_and_661_and_339(parts: dict[str, list[Solution]]) -> None:
    counted = {name: [sum((one.label == RIGHT) == kind for one in some) for kind in (False, True)] for name, some in parts.items()}
    assert counted == {"gsm8k": [207, 193], "olympiadbench": [661, 339]}


def test_always_right_is_0_perfect_is_1_and_a_half_and_nine_tenths_are_6429() -> None:
    labels = [0, 2, RIGHT, RIGHT]
    assert marks(labels, [RIGHT] * 4).f1 == 0.0
    assert marks(labels, labels).f1 == 1.0
    assert marks([0] * 10 + [RIGHT] * 10, [0] * 5 + [1] * 5 + [RIGHT] * 9 + [3]).f1 == pytest.approx(0.6429, abs=5e-5)


def test_where_both_shares_are_0_f1_is_0_and_where_one_is_unknown_so_is_f1() -> None:
    assert marks([1, RIGHT], [0, 0]).f1 == 0.0
    assert marks([1], [1]).f1 is None
    assert marks([1, RIGHT], [None, RIGHT]) == Marks(0.0, 1.0, 2, 1)


def test_the_earliest_step_below_the_threshold_is_the_wrong_one() -> None:
    assert [earliest((0.9, 0.4, 0.1), at) for at in (0.0, 0.2, 0.4, 0.5, 1.0)] == [RIGHT, 2, 2, 1, 0]
    assert earliest((), 0.5) is None
    assert [earliest((0.9, None, 0.1), 0.5), earliest((0.1, None), 0.5), earliest((None, 0.1), 0.5)] == [None, 0, None]


def test_some_are_taken_evenly_from_all(parts: dict[str, list[Solution]]) -> None:
    some = spread(parts["gsm8k"], 100)
    assert sum(one.label == RIGHT for one in some) in range(47, 51)
    assert spread(parts["gsm8k"], None) == parts["gsm8k"] == spread(parts["gsm8k"], 10**6)


def test_the_tuned_threshold_is_the_best_of_all() -> None:
    rng = random.Random(5)
    values = [tuple(rng.choice([0.1, 0.3, 0.5, 0.7, None if rng.random() < 0.02 else 0.9]) for _ in range(4)) for _ in range(60)]
    labels = [rng.choice([RIGHT, 0, 1, 2, 3]) for _ in values]
    labels = [RIGHT if rng.random() < 0.5 else one for one in labels]
    tried = {at: marks(labels, [earliest(one, at) for one in values]).f1 or 0.0 for at in (0.0, 0.2, 0.4, 0.6, 0.8, 0.95)}
    best = tuned(labels, values)
    assert marks(labels, [earliest(one, best) for one in values]).f1 == max(tried.values()) > 0
    assert tuned([RIGHT, 0], [(), ()]) == 0.0


def test_a_simulated_scorer_on_the_files(parts: dict[str, list[Solution]]) -> None:
    """Values that know the label but for noise: perfect without noise, worse with it, nothing where they know nothing."""

    def f1(noise: float) -> list[float]:
        rng = random.Random(noise)
        values = {
            one.id: tuple(
                min(1.0, max(0.0, 0.2 + 0.6 * (one.label in (RIGHT,) or place < one.label) + rng.gauss(0, noise)))
                for place in range(len(one.steps))
            )
            for some in parts.values()
            for one in some
        }
        found = asyncio.run(processbench(dict(parts), Scripted(values)))
        assert found["tuned_on"] == "gsm8k"
        return [part["f1"] for part in found["parts"]]

    perfect, noisy, blind = f1(0.0), f1(0.15), f1(5.0)
    assert perfect == [1.0, 1.0]
    assert all(bad < worse < 1 for bad, worse in zip(blind, noisy, strict=True))


def test_what_cannot_be_judged_is_counted_and_not_found() -> None:
    solutions = [Solution("a", "?", ("1", "2"), 1), Solution("b", "?", ("1",), RIGHT)]
    found = asyncio.run(processbench({"some": solutions}, Scripted({"a": (0.9, 0.1), "b": ()}), threshold=0.5))
    assert found["tuned_on"] is None
    assert found["parts"] == [{"part": "some", "solutions": 2, "unknown": 1, "wrong": 1.0, "right": 0.0, "f1": 0.0}]
    assert found["why_unknown"] == "nothing to say"
    with pytest.raises(InputError, match="3 values for the 1 steps of b"):
        asyncio.run(judge(solutions[1:], Scripted({"b": (0.1, 0.2, 0.3)})))


@pytest.mark.parametrize(
    ("row", "why"),
    [({"id": 1}, "KeyError"), ({"id": 1, "problem": "?", "steps": ["a"], "label": 1}, "the label 1 is no step of 1")],
)
def test_a_file_that_is_none_of_processbench_says_where(tmp_path: Path, row: dict[str, object], why: str) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match=f"part.jsonl:1: .*{why}"):
        read(path)


# The published figures of ReasonEval (Xia et al. 2024): macro F1 at .5 and AUC, of solutions and of steps to the first wrong one.


def reasoneval(data: Path, scorer: str) -> list[float]:
    def lines(name: str) -> list[dict[str, object]]:
        text = gzip.decompress((data / "step_reasoneval" / f"{name}.json.gz").read_bytes()).decode()
        return [json.loads(line) for line in text.splitlines()]

    solutions: list[tuple[float, bool]] = []
    steps: list[tuple[float, bool]] = []
    scored = lines(f"eval_results__mr-math_invalid_errors__{scorer}_eval_results")
    for row, judged in zip(lines("dataset__mr-math_invalid_errors"), scored, strict=True):
        raw = iter([one if isinstance(one, float) else one[1] + one[2] for one in judged["scores"]])  # type: ignore[attr-defined]
        values = [min(next(raw) for _ in lines) for lines in row["model_output_step_format"]]  # type: ignore[attr-defined]
        first = row["model_output_solution_first_error_step"]
        solutions.append((min(values), first == "N/A"))
        until = len(values) if first == "N/A" else int(str(first))
        steps += [(value, first == "N/A" or place < until) for place, value in enumerate(values[:until], 1)]
    return [measure(one) for one in (solutions, steps) for measure in (macro_f1, auc)]


def macro_f1(judged: Sequence[tuple[float, bool]]) -> float:
    """The mean of the F1 of both classes, where a value above .5 says right."""
    both = [sum((value > 0.5) == kind == truth for value, truth in judged) for kind in (True, False)]
    size = [sum((value > 0.5) == kind for value, _ in judged) + sum(truth == kind for _, truth in judged) for kind in (True, False)]
    return sum(2 * hits / total for hits, total in zip(both, size, strict=True)) / 2


def auc(judged: Sequence[tuple[float, bool]]) -> float:
    """The chance that something right has a higher value than something wrong."""
    right, wrong = ([value for value, truth in judged if truth == kind] for kind in (True, False))
    return sum((one > other) + (one == other) / 2 for one in right for other in wrong) / (len(right) * len(wrong))


@pytest.mark.parametrize(
    ("scorer", "figures"),
    [
        ("math-shepherd_mistral-7b", [0.701, 0.773, 0.600, 0.772]),
        ("reasoneval_llemma-34b", [0.796, 0.908, 0.775, 0.928]),
    ],
)
def test_reasonevals_figures_are_recomputed(data: Path, scorer: str, figures: list[float]) -> None:
    """Solutions, then steps: .701/.773 and .600/.772 for Math-Shepherd, .796/.908 and .775/.928 for ReasonEval-34B."""
    assert [round(one, 3) for one in reasoneval(data, scorer)] == figures
