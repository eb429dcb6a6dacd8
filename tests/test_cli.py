"""The command line: stdout is data, stderr is for people, exit codes say whose fault it was."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ponder.cli import main

SOLVE = {"answer", "text", "stopped", "strategy", "model", "usage", "cost", "candidates", "trace"}


def run(*arguments, **environment):
    words = [sys.executable, "-m", "ponder", *arguments]
    return subprocess.run(words, env=os.environ | {"COLUMNS": "200"} | environment, capture_output=True, text=True)


def call(capfd, *arguments):
    code = main(arguments)
    out, err = capfd.readouterr()
    return code, out, err


def test_the_answer_alone_is_on_stdout_and_the_bill_on_stderr(capfd):
    code, out, err = call(capfd, "solve", "simulated problem 7", "--model", "simulated:accuracy=1.0", "--strategy", "direct")
    assert (code, out) == (0, "7\n")
    assert "direct on simulated: 1 candidates" in err


def test_json_is_one_object_with_the_names_that_stay(capfd):
    code, out, _ = call(capfd, "solve", "simulated problem 7", "--model", "simulated", "--json", "-n", "5", "--budget", "4000")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) >= SOLVE
    assert set(answer["usage"]["policy"]) == {"calls", "prompt", "cached", "completion"}
    assert set(answer["cost"]) == {"tokens", "usd", "seconds", "flops"}
    assert [set(one) for one in answer["candidates"]] == [{"answer", "score", "tokens"}] * 5
    assert sum(one["tokens"] for one in answer["candidates"]) == answer["cost"]["tokens"] <= 4000
    assert answer["cost"]["usd"] is None


def test_scale_prints_a_table_or_json_and_writes_the_report(capfd, tmp_path):
    asked = ("scale", "simulated", "--model", "simulated", "--problems", "8", "--budgets", "1,2,4", "--store", str(tmp_path / "b"))
    code, out, _ = call(capfd, *asked, "--report", str(tmp_path / "report.html"))
    assert code == 0
    assert "self-consistency" in out
    assert {path.suffix for path in tmp_path.glob("report.*")} == {".html", ".svg", ".png"}
    code, out, _ = call(capfd, *asked, "--json")
    assert json.loads(out)["settings"]["samples"] == {"drawn": 0, "replayed": 32}
    code, out, _ = call(capfd, *asked, "--json", "--max-tokens", "30")
    assert json.loads(out)["settings"]["max_tokens"] == 30


def test_a_file_of_ones_own_is_a_task(capfd, tmp_path):
    data = tmp_path / "mine.jsonl"
    data.write_text('{"question": "simulated problem 3", "answer": "3"}\n{"question": "simulated problem 4", "answer": "4"}\n')
    store = str(tmp_path / "bank")
    code, out, _ = call(capfd, "scale", "--data", str(data), "--model", "simulated", "--json", "--store", store, "--budgets", "1,2")
    assert code == 0
    assert json.loads(out)["problems"] == 2


@pytest.mark.parametrize("command", ["tasks", "strategies", "models"])
def test_lists_are_tables_or_json(capfd, command):
    code, out, _ = call(capfd, command)
    assert code == 0
    assert out.strip()
    code, out, _ = call(capfd, command, "--json")
    assert all("name" in row for row in json.loads(out))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("solve", "simulated problem 1", "--model", "simulatd"), 1, "did you mean `simulated"),
        (("solve", "simulated problem 1", "--model", "simulated", "--budget", "soon"), 1, "cannot read the budget"),
        (("solve", "simulated problem 1", "--model", "simulated", "--budget", "$1"), 1, "--price"),
        (("solve", "simulated problem 1", "--model", "simulated", "--budget", "9"), 1, "raise --budget"),
        (("solve", "simulated problem 1", "--model", "simulated", "--price", "cheap"), 1, "0.15,0.60"),
        (("scale", "simulatd"), 1, "did you mean `simulated`"),
        (("scale",), 1, "name one task"),
        (("scale", "simulated", "--budgets", "few"), 1, "cannot read the budgets"),
        (("scale", "--data", "nowhere.jsonl", "--model", "simulated"), 1, "nowhere.jsonl"),
        (("solve",), 2, "QUESTION"),
        (("solve", "x", "--seed", "red"), 2, "seed"),
        (("sovle", "x"), 2, "sovle"),
    ],
)
def test_errors_say_what_was_wrong_without_a_traceback(capfd, arguments, code, message):
    got, out, err = call(capfd, *arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_settings_come_from_flag_then_environment_then_file(tmp_path, monkeypatch):
    (tmp_path / "ponder.toml").write_text('[solve]\nmodel = "simulated:accuracy=1.0"\nstrategy = "direct"\n')
    monkeypatch.chdir(tmp_path)
    asked = ("solve", "simulated problem 7", "--json")
    assert json.loads(run(*asked).stdout)["strategy"] == "direct"
    assert json.loads(run(*asked, PONDER_SOLVE_STRATEGY="self-consistency").stdout)["strategy"] == "self-consistency"
    flagged = run(*asked, "--strategy", "chain-of-thought", PONDER_SOLVE_STRATEGY="self-consistency")
    assert json.loads(flagged.stdout)["strategy"] == "chain-of-thought"


def test_a_store_makes_the_second_run_free(capfd, tmp_path):
    asked = ("solve", "simulated problem 7", "--model", "simulated", "--json", "--store", str(tmp_path / "bank"), "-n", "6")
    first, second = (json.loads(call(capfd, *asked)[1]) for _ in range(2))
    assert first["answer"] == second["answer"]
    assert (first["cost"]["tokens"] > 0, second["cost"]["tokens"]) == (True, 0)
    assert second["usage"]["replayed"] == first["usage"]["policy"]


def test_show_puts_more_on_stderr_and_leaves_stdout_alone(capfd):
    asked = ("solve", "simulated problem 7", "--model", "simulated:accuracy=1.0", "--strategy", "direct")
    for what, expected in (("text", "answer 7"), ("candidates", "draw"), ("trace", '"kind":"answered"')):
        _, out, err = call(capfd, *asked, "--show", what)
        assert out == "7\n"
        assert expected in err


def test_ctrl_c_says_how_far_it_came_and_exits_with_130(tmp_path):
    words = ["solve", "simulated problem 7", "--model", "simulated:latency=.1,concurrency=1", "-n", "99"]
    store = tmp_path / "bank"
    base = [sys.executable, "-m", "ponder", *words, "--store", str(store)]
    running = subprocess.Popen(base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not store.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # the bank is open: the first draw has begun
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "interrupted after" in err


def test_training_without_pytorch_says_what_to_install(capfd, monkeypatch, tmp_path):
    for name in ("grpo", "decoder", "loop"):
        monkeypatch.delitem(sys.modules, f"ponder.train.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "trl", None)
    for model in ("builtin:mini", "some/model"):
        code, _, err = call(capfd, "train", "grpo", model, str(tmp_path))
        assert code == 1
        assert 'pip install "ponder[train]"' in err
    code, _, err = call(capfd, "train", "grpo", "builtin:mini", str(tmp_path), "--tasks", "cuontdown")
    assert code == 1
    assert "cuontdown" in err
