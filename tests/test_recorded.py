"""Figures of recorded runs, recomputed: GPT-4 on Game of 24, the GSM8K verifiers of Cobbe et al., Pythia with 10,000 samples."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ponder.lab.intervals import interval
from ponder.lab.laws import fit
from ponder.lab.statistics import majority_at_k, pass_at_k
from ponder.tasks.expression import extract
from ponder.tasks.game24 import game24
from ponder.types import Problem

KS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]


def game24_log(data: Path, kind: str) -> list[tuple[list[str], list[bool]]]:
    """For each of 100 puzzles 100 completions and the recorded verdicts."""
    path = data / "rec_tot" / f"game24__gpt-4_0.7_naive_{kind}_sample_100_start900_end1000.json.gz"
    logs = json.loads(gzip.decompress(path.read_bytes()))
    return [(log["ys"], log.get("accs") or [bool(info["r"]) for info in log["infos"]]) for log in logs]


def counts(data: Path, kind: str) -> list[int]:
    return [sum(verdicts) for _, verdicts in game24_log(data, kind)]


@pytest.fixture
def puzzles(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return game24.load("test", None)


def test_game24_coverage(data: Path) -> None:
    """CoT pass@{1,2,5,10,20,50,100} = .0403 .0728 .1429 .2148 .2955 .4068 .4900; IO .0734, .1789 at 10, .33 at 100."""
    thought = pass_at_k(100, counts(data, "cot"), [1, 2, 5, 10, 20, 50, 100]).mean(axis=0)
    assert np.round(thought, 4).tolist() == [0.0403, 0.0728, 0.1429, 0.2148, 0.2955, 0.4068, 0.49]
    plain = pass_at_k(100, counts(data, "standard"), [1, 10, 100]).mean(axis=0)
    assert np.round(plain, 4).tolist() == [0.0734, 0.1789, 0.33]


@pytest.mark.parametrize(
    ("kind", "a", "b", "error", "predicted"),
    [("cot", -3.3078, -0.3329, 0.0008, 0.4833), ("standard", -2.5787, -0.1774, 0.0049, 0.3218)],
)
def test_game24_law(data: Path, kind: str, a: float, b: float, error: float, predicted: float) -> None:
    """The law over all ks, and the prediction for 100 samples from k <= 10 alone."""
    curves = pass_at_k(100, counts(data, kind), KS)
    found = fit(KS, curves, resamples=40)
    assert (found.a, found.b) == (pytest.approx(a, abs=5e-5), pytest.approx(b, abs=5e-5))
    assert found.error == pytest.approx(error, abs=5e-5)
    assert found.fitted_to == 10
    assert fit(KS[:6], curves[:, :6].mean(axis=0)).predict(100) == pytest.approx(predicted, abs=5e-5)
    assert found.a_interval is not None
    assert found.a_interval[0] < a < found.a_interval[1]


def test_game24_log_linear_is_the_worse_law(data: Path) -> None:
    """CoT: mean error .0153 with a slope of .1027 a natural logarithm of k."""
    found = fit(KS, pass_at_k(100, counts(data, "cot"), KS).mean(axis=0), law="log-linear")
    assert (found.b, found.error) == (pytest.approx(0.1027, abs=5e-5), pytest.approx(0.0153, abs=5e-5))


def test_game24_self_consistency(data: Path, puzzles: list[Problem]) -> None:
    """One sample solves 4.03 of 100 puzzles, the vote of all 100 samples 10.5 in expectation over the order of draws.

    In the recorded order it is 9 (tests/test_game24.py): the first of equals wins, and the right one loses all three ties.
    """
    classes, correct = [], []
    for puzzle, (completions, verdicts) in zip(puzzles, game24_log(data, "cot"), strict=True):
        numbers: dict[str, int] = {}
        answers = [extract(puzzle, text) for text in completions]
        classes.append([-1 if answer is None else numbers.setdefault(answer, len(numbers)) for answer in answers])
        correct.append(verdicts)
    values, errors = majority_at_k(np.array(classes), np.array(correct), [1, 100])
    assert not errors.any()
    assert_allclose(values.mean(axis=0), [0.0403, 0.105], atol=1e-12)
    assert np.unique(values[:, 1], return_counts=True)[1].tolist() == [88, 3, 9]  # wrong, tied, right


def test_gsm8k_verifiers_double_one_sample(data: Path) -> None:
    """6B 21.68 -> 39.04, 175B 34.72 -> 56.25: from one sample of the fine-tuned model to the verifier's choice among 100."""
    lines = gzip.decompress((data / "rec_gsm8k_cobbe" / "example_model_solutions.jsonl.gz").read_bytes()).splitlines()
    names = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    correct = np.array([[json.loads(line)[name]["is_correct"] for name in names] for line in lines])
    assert np.round(100 * correct.mean(axis=0), 2).tolist() == [21.68, 39.04, 34.72, 56.25]
    low, high = interval(correct)
    assert ((high - low) < 0.06).all()
    assert high[0] < low[1]
    assert high[2] < low[3]


def test_llmonkeys_published_pass_at_k(data: Path) -> None:
    """128 problems × 10,000 samples: the published means to 1e-12; 160M goes from .27 to 57.03 %, 12B from 2.32 to 87.5 %."""
    folder, solved, published = data / "rec_llmonkeys", dict[str, list[int]](), dict[str, dict[int, float]]()
    with (folder / "pythia_math_original.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            solved.setdefault(row["model"], []).append(int(row["num_correct"]))
    with (folder / "pythia_math_original_passk_mean.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            published.setdefault(row["model"], {})[int(row["k"])] = float(row["mean_pass_at_k"])
    assert len(published) == 4
    for model, curve in published.items():
        assert_allclose(pass_at_k(10_000, solved[model], list(curve)).mean(axis=0), list(curve.values()), atol=1e-12, rtol=0)
    ends = {model: (round(100 * curve[1], 2), round(100 * curve[10_000], 2)) for model, curve in published.items()}
    assert ends["Pythia 160M"] == (0.27, 57.03)
    assert ends["Pythia 12B"] == (2.32, 87.5)
