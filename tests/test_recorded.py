"""Figures of recorded runs, recomputed; docs/recorded.md has them all, also those that other tests recompute."""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ponder.answers import canonical, final_answer
from ponder.lab.intervals import interval
from ponder.lab.laws import fit
from ponder.lab.statistics import majority_at_k, pass_at_k
from ponder.tasks.expression import extract
from ponder.tasks.game24 import game24
from ponder.types import Price, Problem, Usage

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


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def auc(values: Sequence[float], right: Sequence[float]) -> float:
    """The chance that something right has a higher value than something wrong; a tie counts half."""
    found, truth = np.array(values), np.array(right, bool)
    differences = found[truth][:, None] - found[~truth]
    return float(np.mean(np.where(differences == 0, 0.5, differences > 0)))


def test_tree_of_thoughts_bill(data: Path) -> None:
    """$0.7451 and 5,478 completion tokens a problem (547,859 and 1,387,936 prompt tokens for 100, $74.5)."""
    path = data / "rec_tot" / "game24__gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
    spent = json.loads(gzip.decompress(path.read_bytes()))[-1]["usage_so_far"]
    assert (spent["completion_tokens"], spent["prompt_tokens"], round(spent["cost"], 1)) == (547_859, 1_387_936, 74.5)
    assert (int(spent["completion_tokens"] / 100), round(spent["cost"] / 100, 4)) == (5478, 0.7451)
    assert Price(30e-6, 60e-6).usd(Usage(0, 1_387_936, 0, 547_859)) == pytest.approx(spent["cost"])


def test_codegens_pass_at_k(data: Path) -> None:
    """HumanEval, 100 programs each: pass@1/10/100 = 22.1 / 50.37 / 73.78."""
    bits = json.loads((data / "rec_codet_codegen16b" / "pass_bits_computed_here.json").read_text())
    found = 100 * pass_at_k(100, [one.count("1") for one in bits.values()], [1, 10, 100]).mean(axis=0)
    assert [round(found[0], 1), *np.round(found[1:], 2).tolist()] == [22.1, 50.37, 73.78]


@pytest.mark.parametrize(
    ("name", "right", "last", "least"),
    [("beam2_llama3.2-1b_q500", 197, 0.884, 0.892), ("beam3_llama3.2-3b_q500", 613, 0.863, 0.868)],
)
def test_beam_searchs_prm_scores(data: Path, name: str, right: int, last: float, least: float) -> None:
    """The stored aggregate is the last step's score, of 2,500 solutions; its AUC lies in .84 to .89.

    Solutions are right here where the answer's canonical form is the reference's; math-verify finds some more (docs/recorded.md).
    """
    rows = lines(data / "rec_prm_beam" / f"{name}.jsonl.gz")
    scores = [(steps, stored) for row in rows for steps, stored in zip(row["scores"], row["agg_scores"], strict=True)]
    assert all(steps[-1] == stored for steps, stored in scores)
    grades = [canonical(final_answer(text) or "") == canonical(row["answer"]) for row in rows for text in row["completions"]]
    assert sum(grades) == right
    found = auc([steps[-1] for steps, _ in scores], grades), auc([min(steps) for steps, _ in scores], grades)
    assert (round(found[0], 3), round(found[1], 3)) == (last, least)
    assert 0.84 <= found[0] <= 0.89


def test_best_of_16_and_256(data: Path) -> None:
    """Llama-3.1-8B, 100 × 16: pass@1 42.2, pass@16 82.0; 3B, 10 × 256: 51.0, 100, majority 70, where no answer votes too."""
    of_16, of_256 = (lines(data / "rec_bon" / f"{name}.jsonl.gz") for name in ("bon16_llama3.1-8b_q100", "bon256_llama3.2-3b_q10"))
    found = [
        100 * pass_at_k(n, [sum(row["correct"]) for row in rows], [1, n]).mean(axis=0) for n, rows in ((16, of_16), (256, of_256))
    ]
    assert [round(float(one), 2) for some in found for one in some] == [42.25, 82.0, 50.98, 100.0]
    votes = {
        voting: sum(_leading(row["answers"], row["correct"], voting) for row in of_256)
        for voting in ("all", "only those that answer")
    }
    assert votes == {"all": 7, "only those that answer": 8}


def _leading(answers: Sequence[str | None], correct: Sequence[int], voting: str) -> int:
    classes = [canonical(one or "") for one in answers]
    counted = Counter(one for one, answer in zip(classes, answers, strict=True) if answer or voting == "all")
    return correct[classes.index(counted.most_common(1)[0][0])]


def test_math_shepherds_runs(data: Path) -> None:
    """Beam search .584 at 2,715.15 tokens, one sample .51 and .48 at about 687; AUC of the least step's score .81 and .86."""
    beam, single = (lines(data / "rec_cotts_shepherd" / f"{name}_qwen2.5-1.5b_math500.jsonl.gz") for name in ("beam4", "bon1"))
    runs = [[row["result"] for row in rows if row["record"] == number] for rows, number in ((beam, 0), (single, 0), (single, 1))]
    found = [
        (np.mean([one["majority_vote"] for one in run]), np.mean([one["total_completion_tokens"] for one in run])) for run in runs
    ]
    assert [len(run) for run in runs] == [500] * 3
    assert [(round(float(share), 3), round(float(tokens), 2)) for share, tokens in found] == [
        (0.584, 2715.15), (0.51, 686.42), (0.48, 687.80),
    ]  # fmt: skip
    values = [auc([min(row["output"][0]["reward_history"]) for row in rows], [row["result"]["majority_vote"] for row in rows])
              for rows in (beam, single)]  # fmt: skip
    assert [round(one, 2) for one in values] == [0.81, 0.86]


def test_standard_errors_of_small_benchmarks() -> None:
    """n = 30: 9.1 points at .5 and 7.3 at .8; 500 at .9: 1.34; 164 at .75: 3.4."""
    found = [100 * (p * (1 - p) / n) ** 0.5 for n, p in ((30, 0.5), (30, 0.8), (500, 0.9), (164, 0.75))]
    assert [round(found[0], 1), round(found[1], 1), round(found[2], 2), round(found[3], 1)] == [9.1, 7.3, 1.34, 3.4]
