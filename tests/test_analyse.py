"""Recorded samples from files of every kind: read, graded, analysed; what cannot be used is refused by file and line."""

import asyncio
import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ponder.cli import main
from ponder.errors import InputError
from ponder.lab.analyse import analyse
from ponder.lab.report import report
from ponder.lab.statistics import best_of_k, majority_at_k, pass_at_k

KEYS = {"problems", "samples", "pass", "majority", "weighted", "best", "auc", "early_stopping", "fits"}


def lines(path: Path, rows: list[dict]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode())) if path.suffix == ".gz" else path.write_text(text)
    return path


def run(*paths: Path, **settings) -> dict:
    return asyncio.run(analyse(paths, **settings))


def made(problems: int = 12, n: int = 8) -> list[dict]:
    """Samples of sums: the right answer, or one of three wrong ones, with the scores of three steps."""
    generator, rows = np.random.default_rng(1), []
    for problem in range(problems):
        for _ in range(n):
            right = bool(generator.random() < problem / problems)
            steps = np.clip(generator.random(3) + 0.3 * right, 0, 1).round(3).tolist()
            answer = problem if right else 100 + int(generator.integers(3))
            rows.append({"problem": problem, "answer": answer, "correct": right, "steps": steps, "tokens": int(10 + steps[0] * 9)})
    return rows


def test_every_figure_is_that_of_the_estimators(tmp_path: Path) -> None:
    rows = made()
    found = run(lines(tmp_path / "samples.jsonl", rows), ks=[1, 2, 8])
    correct = np.array([row["correct"] for row in rows]).reshape(12, 8)
    classes = np.array([row["answer"] for row in rows]).reshape(12, 8)
    steps = np.array([row["steps"] for row in rows]).reshape(12, 8, 3)
    assert set(found) >= KEYS
    assert (found["problems"], found["samples"]) == (12, 96)
    assert_allclose(list(found["pass"].values()), pass_at_k(8, correct.sum(axis=1), [1, 2, 8]).mean(axis=0))
    assert_allclose(list(found["majority"].values()), majority_at_k(classes, correct, [1, 2, 8])[0].mean(axis=0))
    kinds = {"last": steps[:, :, -1], "min": steps.min(axis=2), "prod": steps.prod(axis=2), "mean": steps.mean(axis=2)}
    assert list(found["best"]) == list(found["weighted"]) == list(found["auc"]) == list(kinds)
    for kind, scores in kinds.items():
        assert_allclose(list(found["best"][kind].values()), best_of_k(scores, correct, [1, 2, 8]).mean(axis=0))
        votes = majority_at_k(classes, correct, [1, 2, 8], scores)[0].mean(axis=0)
        assert_allclose(list(found["weighted"][kind].values()), votes, atol=1e-12)
        above = scores[correct][:, None] > scores[~correct]
        ties = scores[correct][:, None] == scores[~correct]
        assert found["auc"][kind] == pytest.approx(above.mean() + ties.mean() / 2)
        assert found["calibration"][kind]["brier"] == pytest.approx(np.mean((scores - correct) ** 2))
    low, high = found["intervals"]["pass"]["1"]
    assert low < found["pass"]["1"] < high
    assert found["curves"][0]["points"][2]["tokens"] == pytest.approx(8 * np.mean([row["tokens"] for row in rows]))
    early = found["early_stopping"]["adaptive-consistency"]
    assert 4 <= early["samples"] <= 8
    assert early["majority"] == pytest.approx(found["majority"]["8"])


def test_all_kinds_of_files_hold_the_same(tmp_path: Path) -> None:
    rows = made()
    whole = run(lines(tmp_path / "a.jsonl", rows), ks=[1, 2])
    (tmp_path / "a.json").write_text(json.dumps(rows))
    head = "problem,answer,correct,steps,tokens\n"
    body = "".join(f'{r["problem"]},{r["answer"]},{r["correct"]},"{r["steps"]}",{r["tokens"]}\n' for r in rows)
    (tmp_path / "a.csv").write_text(head + body)
    wide: dict = {}
    for row in rows:
        one = wide.setdefault(row["problem"], {"problem": row["problem"], "answer": [], "correct": [], "steps": [], "tokens": []})
        for name in ("answer", "correct", "steps", "tokens"):
            one[name].append(row[name])
    paths = [
        lines(tmp_path / "b.jsonl.gz", rows),
        tmp_path / "a.json",
        tmp_path / "a.csv",
        lines(tmp_path / "c.jsonl", [*wide.values()]),
    ]
    for path in paths:
        found = run(path, ks=[1, 2])
        assert {key: found[key] for key in KEYS} == {key: whole[key] for key in KEYS}
    halves = [lines(tmp_path / f"{part}.jsonl", rows[part::2]) for part in range(2)]
    assert run(*halves, ks=[1, 2])["pass"] == whole["pass"]


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow

    parquet.write_table(pyarrow.Table.from_pylist(made()), tmp_path / "a.parquet")
    assert run(tmp_path / "a.parquet", ks=[1, 8])["best"] == run(lines(tmp_path / "a.jsonl", made()), ks=[1, 8])["best"]


def test_counts_are_enough_for_coverage(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("problem,num_samples,num_correct\na,100,5\nb,100,0\nc,100,40\n")
    found = run(path)
    assert (found["problems"], found["samples"]) == (3, 300)
    assert_allclose([found["pass"][k] for k in ("1", "10", "100")], pass_at_k(100, [5, 0, 40], [1, 10, 100]).mean(axis=0))
    assert (found["majority"], found["weighted"], found["best"], found["auc"], found["early_stopping"]) == ({}, {}, {}, {}, {})
    assert {one["law"] for one in found["fits"]} >= {"exponentiated-power", "beta-mixture"}
    same = lines(tmp_path / "c.jsonl", [{"problem": "a", "num_samples": 100, "num_correct": 5}])
    assert run(same)["pass"]["1"] == pytest.approx(0.05)


def test_answers_are_found_in_texts_and_graded_by_what_references_look_like(tmp_path: Path) -> None:
    sums = [
        {"problem": 1, "text": r"So it is \boxed{\frac{1}{2}}.", "reference": "0.5"},
        {"problem": 1, "text": "The answer is 3.", "reference": "0.5"},
    ]
    found = run(lines(tmp_path / "m.jsonl", sums))
    assert found["settings"]["grader"] == "math"
    assert found["pass"]["1"] == 0.5
    letters = [
        {"problem": 1, "text": "(B) because", "reference": "B"},
        {"problem": 1, "text": "The answer is (C).", "reference": "B"},
    ]
    found = run(lines(tmp_path / "c.jsonl", letters))
    assert found["settings"]["grader"] == "choice"
    assert found["pass"] == {"1": 0.5, "2": 1.0}
    words = [
        {"problem": 1, "text": 'The answer is "yajo".', "reference": "yajo"},
        {"problem": 1, "answer": "Yajo", "reference": "yajo"},
    ]
    found = run(lines(tmp_path / "w.jsonl", words))
    assert found["settings"]["grader"] == "exact"
    assert found["pass"]["1"] == 1


def test_types_are_taken_as_they_come(tmp_path: Path) -> None:
    """Booleans, 0 and 1, words; answers as numbers, texts, null; missing tokens; NaN, null and missing scores."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"problem": 1, "answer": 4, "correct": 1, "score": NaN}\n'
        '{"problem": 1, "answer": "4.0", "correct": true, "score": 0.5, "tokens": 7}\n'
        '{"problem": 1, "answer": null, "correct": "false"}\n\n'
        '{"problem": 1, "answer": 5.0, "correct": 0.0, "score": null, "tokens": null}\n'
    )
    found = run(path)
    assert found["pass"]["1"] == 0.5
    assert found["majority"]["4"] == 1
    assert found["best"]["score"]["4"] == 1
    assert found["settings"]["tokens_a_sample"] == 7


def test_unlike_numbers_of_samples(tmp_path: Path) -> None:
    rows = [{"problem": p, "answer": i % 2, "correct": i % 2 == 0} for p, n in ((0, 3), (1, 8), (2, 8)) for i in range(n)]
    found = run(lines(tmp_path / "a.jsonl", rows))
    assert found["counts"]["3"] == 3
    assert found["counts"]["8"] == 2
    assert found["pass"]["1"] == pytest.approx((2 / 3 + 0.5 + 0.5) / 3)
    assert found["pass"]["8"] == 1
    assert any("3 to 8 samples" in note for note in found["notes"])


def test_scores_below_zero_weigh_as_probabilities(tmp_path: Path) -> None:
    rows = [{"problem": 1, "answer": a, "correct": a == 1, "score": s} for a, s in ((1, -0.1), (2, -2.0), (2, -3.0))]
    found = run(lines(tmp_path / "a.jsonl", rows))
    assert found["majority"]["3"] == 0
    assert found["weighted"]["score"]["3"] == 1
    assert any("exp(score)" in note for note in found["notes"])


def test_programs_are_not_voted_on(tmp_path: Path) -> None:
    """The last number of a program is no answer: samples that share it are judged unlike."""
    rows = [{"problem": p, "text": f"def f(x): return x * {i} + 1", "correct": i % 2 == 0} for p in range(5) for i in range(4)]
    found = run(lines(tmp_path / "a.jsonl", rows))
    assert found["majority"] == {}
    assert found["pass"]["4"] == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"answer": 1, "correct": True}], ["a.jsonl:1", "--field problem=NAME"]),
        ([{"problem": 1, "answer": 1}], ["a.jsonl:1", "neither `correct` nor `reference`"]),
        ([{"problem": 1, "answer": 1, "correct": 2}], ["a.jsonl:1", "`correct` is 2"]),
        ([{"problem": 1, "correct": 1, "score": "good"}], ["a.jsonl:1", "'good'"]),
        ([{"problem": 1, "correct": 1, "tokens": -3}], ["a.jsonl:1", "-3"]),
        ([{"problem": 1, "text": ["a", "b"], "correct": [1]}], ["2 samples", "`correct` is 1 values"]),
        ([{"problem": 1, "num_samples": 3, "num_correct": 4}], ["4 correct of 3"]),
        ([{"problem": 1, "num_samples": 3, "num_correct": 1}] * 2, ["a.jsonl:2", "counted before", "--where"]),
        ([{"problem": 1, "answer": 1, "reference": r} for r in "ab"], ["a.jsonl:2", "'b'", "'a'"]),
        ([{"problem": 1, "correct": 1, "model": m} for m in "xy"], ["several models (x, y)", "--where model="]),
        ([], ["no samples"]),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, rows: list[dict], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        run(lines(tmp_path / "a.jsonl", rows))
    assert all(word in str(error.value) for word in words), error.value


def test_bad_rows_can_be_skipped_and_files_are_checked(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"problem": 1, "correct": 1}, {"problem": 1, "correct": 7}])
    found = run(path, skip=True)
    assert found["samples"] == 1
    assert any("1 rows" in note for note in found["notes"])
    (tmp_path / "b.jsonl").write_text('{"problem": 1, "correct": 1}\n{"problem": 1,\n')
    for name, words in (("b.jsonl", "b.jsonl:2: not JSON"), ("none.jsonl", "no file"), ("x.txt", "must end in")):
        (tmp_path / "x.txt").write_text("")
        with pytest.raises(InputError, match=words):
            run(tmp_path / name)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"problem": 1, "correct": 1}\n')[:-9])
    with pytest.raises(InputError, match="whole"):
        run(tmp_path / "c.jsonl.gz")


def test_names_paths_and_values_of_fields(tmp_path: Path) -> None:
    rows = [{"q": p, "out": [{"a": "x", "ps": [0.2, 0.9]}, {"a": "y", "ps": [0.5]}], "grade": ["A", "C"]} for p in range(2)]
    fields = {"problem": "q", "answer": "out.a", "steps": "out.ps", "correct": "grade=A"}
    found = run(lines(tmp_path / "a.jsonl", rows), fields=fields)
    assert found["samples"] == 4
    assert found["best"]["last"] == {"1": 0.5, "2": 1.0}
    with pytest.raises(InputError, match="no field `anser`"):
        run(tmp_path / "a.jsonl", fields={"anser": "x"})


def test_logs_of_lm_eval(tmp_path: Path) -> None:
    """As lm-eval 0.4.13 writes them: a line a question and filter, repeats in `resps`, metrics as fields of their names."""

    def line(doc: int, filtered: str, resps: list[str], kept: object, **metric: object) -> dict:
        about = {"doc_id": doc, "doc": {"question": "2+2?"}, "target": "4", "arguments": {}, "filter": filtered}
        return about | {"resps": [resps], "filtered_resps": [kept], "metrics": list(metric)} | metric

    name = "samples_sums_2026-11-28T11-33-31.881844.jsonl"
    rows = [
        line(d, f, ["It is #### 4" if d else "5"], "4" if d else "[invalid]", exact_match=float(d))
        for f in ("strict", "loose")
        for d in (0, 1)
    ]
    found = run(lines(tmp_path / name, rows))
    assert (found["problems"], found["samples"], found["pass"]["1"]) == (2, 2, 0.5)
    assert any("--filter" in note for note in found["notes"])
    repeated = [line(0, "keep", ["4", "5", "4"], ["4", "5", "4"], exact_match=1.0)]
    found = run(lines(tmp_path / name, repeated))
    assert (found["samples"], found["majority"]["3"]) == (3, 1)
    assert found["pass"]["1"] == pytest.approx(2 / 3)
    options = [["-0.7", "False"], ["-0.1", "True"]]
    asked = {"doc_id": 0, "target": "1", "resps": [[one] for one in options], "filtered_resps": options, "filter": "none"}
    found = run(lines(tmp_path / name, [asked | {"metrics": ["acc", "acc_norm"], "acc": 1.0, "acc_norm": 0.0}]))
    assert found["pass"]["1"] == 1
    assert run(tmp_path / name, metric="acc_norm")["pass"]["1"] == 0


def test_logs_of_inspect_ai(tmp_path: Path) -> None:
    """As inspect_ai writes them: samples by id and epoch in a zip, or all in one JSON; letters for verdicts; a failed sample."""

    def sample(name: str, epoch: int, answer: str | None, value: object) -> dict:
        scores = {"match": {"value": value, "answer": answer}, "other": {"value": "I"}} if answer else {}
        output = {"completion": f"So the answer is {answer}", "choices": []}
        usage = {"m": {"input_tokens": 5, "output_tokens": 7}}
        return {"id": name, "epoch": epoch, "target": "4", "output": output, "scores": scores, "model_usage": usage, "events": []}

    samples = [sample("a", 1, "4", "C"), sample("a", 2, "5", "I"), sample("b", 1, "4", 1.0), sample("b", 2, None, None)]
    header = {"version": 2, "status": "success", "eval": {"task": "sums", "model": "mock/m"}}
    (tmp_path / "log.json").write_text(json.dumps(header | {"samples": samples}))
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", json.dumps(header))
        for one in samples:
            archive.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
    for name in ("log.json", "log.eval"):
        found = run(tmp_path / name)
        assert (found["problems"], found["samples"], found["model"]) == (2, 4, "mock/m")
        assert found["pass"] == {"1": 0.5, "2": 1.0}
        assert found["settings"]["tokens_a_sample"] == 7
        assert any("1 samples were not scored" in note for note in found["notes"])
        assert run(tmp_path / name, metric="other")["pass"]["1"] == 0


def test_the_command_prints_one_object_and_the_report_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lines(tmp_path / "a.jsonl", made())
    assert main(["analyse", str(path), "--json", "--ks", "1,2,4,8"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= KEYS
    assert main(["analyse", str(path), "--where", "problem=3"]) == 0
    assert "1 problems, 8 samples" in capsys.readouterr().out
    assert main(["analyse", str(path), "--where", "problem"]) == 1
    assert "has no `=`" in capsys.readouterr().err
    assert report(found, tmp_path / "report.html")[0].stat().st_size > 10_000


def test_recorded_pythia_coverage(data: Path) -> None:
    """128 problems × 10,000 samples: .27 -> 57.03 % for 160M."""
    found = run(data / "rec_llmonkeys" / "pythia_math_original.csv", where=[("model", "Pythia 160M")])
    assert (found["problems"], found["samples"]) == (128, 1_280_000)
    assert (round(100 * found["pass"]["1"], 2), round(100 * found["pass"]["10000"], 2)) == (0.27, 57.03)


def test_recorded_beams_of_a_process_reward_model(data: Path) -> None:
    """MATH-500, two beams with the PRM score of every step: AUC of the last .87; wide rows with one `answer`, the reference."""
    fields = {"problem": "unique_id", "tokens": ""}
    found = run(data / "rec_prm_beam" / "beam2_llama3.2-1b_q500.jsonl.gz", fields=fields, grader="exact")
    assert (found["problems"], found["samples"]) == (500, 1_000)
    assert all(0.83 < found["auc"][kind] < 0.91 for kind in ("last", "min", "prod", "mean"))
    assert found["best"]["last"]["2"] > found["majority"]["2"] == pytest.approx(found["pass"]["1"])
