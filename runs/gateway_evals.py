"""inspect_ai and lm-eval evaluate Countdown through the gateway, and their figures are the library's own.

    python runs/gateway_evals.py PYTHON            # of a virtual environment with: pip install inspect-ai 'lm-eval[api]' openai

The built-in reasoner, one sample and best-of-16, with the sampling settings of the task and one seed: all three draw the same
samples, so the figures must be equal, problem for problem. The neighbours grade with a checker of their own, without ponder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ponder
from ponder import tasks
from ponder.models.catalog import opened

STOP, TEMPERATURE, MAX_TOKENS, SEED = "<|end|>", 0.8, 128, 0
MODELS = {1: "mini:direct", 16: "mini:best-of-16"}

CHECKER = '''
import re

def right(text, numbers, target):
    """Whether each step takes two numbers of the hand and puts their result there, down to the target."""
    hand = sorted(numbers)
    for a, sign, b, c in re.findall(r"^(\\d+)([-+*/])(\\d+)=(\\d+)", text, re.M):
        a, b, c = int(a), int(b), int(c)
        if {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[sign] != c:
            return False
        for one in (a, b):
            if one not in hand:
                return False
            hand.remove(one)
        hand.append(c)
    return hand == [target]
'''

INSPECT = (
    CHECKER
    + """
import json, sys
from inspect_ai import Task, eval, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate

folder, name, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
rows = [json.loads(line) for line in open(folder + "/problems.jsonl")]

@scorer(metrics=[accuracy()])
def checked():
    async def score(state, target):
        return Score(value=right(state.output.completion, state.metadata["numbers"], state.metadata["target"]))
    return score

samples = [Sample(id=row["id"], input=row["question"], metadata=row) for row in rows]
model = get_model("openai-api/ponder/" + name, config=GenerateConfig(**settings))
[log] = eval(Task(samples, solver=generate(), scorer=checked()), model=model, log_dir=folder, display="none", max_connections=8)
print(json.dumps({sample.id: bool(sample.scores["checked"].value) for sample in log.samples}))
"""
)

YAML = """
task: ponder_countdown
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/problems.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{target}}}}"
process_results: !function checked.checked
generation_kwargs: {{until: ["{stop}"], do_sample: true, temperature: {temperature}, max_gen_toks: {tokens}}}
metric_list: [{{metric: right, aggregation: mean, higher_is_better: true}}]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python")
    parser.add_argument("--problems", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, gateway() as url:
        folder = Path(name)
        write(folder, arguments.problems)
        print(f"Countdown with 4 numbers, {arguments.problems} problems; right answers by the library, inspect_ai and lm-eval")
        for n, model in MODELS.items():
            own, by_inspect, by_lm_eval = (
                asyncio.run(library(arguments.problems, n)),
                inspected(arguments.python, folder, url, model),
                evaluated(arguments.python, folder, url, model),
            )
            same = "equal, problem for problem" if own == by_inspect == by_lm_eval else "NOT EQUAL"
            print(
                f"{model:18} {sum(own.values()):3} {sum(by_inspect.values()):3} {sum(by_lm_eval.values()):3}   {same}", flush=True
            )


def write(folder: Path, count: int) -> None:
    """The problems, and the neighbours' tasks."""
    rows = [
        {"id": one.id, "question": one.question, "numbers": list(one.data["numbers"]), "target": one.data["target"]}
        for one in tasks.get("countdown-4").load("test", count)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "inspected.py").write_text(INSPECT)
    checked = "\n\ndef checked(doc, results):\n    return {'right': float(right(results[0], doc['numbers'], doc['target']))}\n"
    (folder / "checked.py").write_text(CHECKER + checked)
    (folder / "countdown.yaml").write_text(YAML.format(folder=folder, temperature=TEMPERATURE, tokens=MAX_TOKENS, stop=STOP))


@contextmanager
def gateway() -> Iterator[str]:
    """A gateway with the built-in reasoner, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    words = [sys.executable, "-m", "ponder", "serve", "--model", "mini=builtin:mini", "--port", str(port), "--no-store"]
    running = subprocess.Popen([*words, "--ledger", f"{tempfile.mkdtemp()}/l.sqlite"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait()


async def library(count: int, n: int) -> dict[str, bool]:
    """Which problems the library answers right."""
    found = {}
    async with opened("builtin:mini") as model:
        for one in tasks.get("countdown-4").load("test", count):
            asked = replace(one, task=replace(one.task, stop=(STOP,)))
            strategy = "direct" if n == 1 else f"best-of-n(n={n})"
            settings = {"model": model, "strategy": strategy, "seed": SEED, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS}
            answer = await ponder.solve(asked, **settings)
            [score] = await one.task.verifier(one, [answer.candidates[0].sample if n == 1 else chosen(answer)])  # type: ignore[misc]
            found[one.id] = score.value == 1.0
    return found


def chosen(answer: ponder.Answer):  # type: ignore[no-untyped-def]
    return next(one.sample for one in answer.candidates if one.sample.text == answer.text)


def inspected(python: str, folder: Path, url: str, model: str) -> dict[str, bool]:
    settings = {"temperature": TEMPERATURE, "max_tokens": MAX_TOKENS, "seed": SEED, "stop_seqs": [STOP]}
    environment = os.environ | {"PONDER_BASE_URL": url, "PONDER_API_KEY": "none"}
    words = [python, str(folder / "inspected.py"), str(folder), model, json.dumps(settings)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    result: dict[str, bool] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def evaluated(python: str, folder: Path, url: str, model: str) -> dict[str, bool]:
    arguments = f"base_url={url}/chat/completions,model={model},num_concurrent=8,tokenizer_backend=None,seed={SEED}"
    words = [python, "-m", "lm_eval", "--model", "local-chat-completions", "--model_args", arguments, "--tasks", "ponder_countdown"]
    words += ["--include_path", str(folder), "--apply_chat_template", "--log_samples", "--output_path", str(folder / model)]
    environment = os.environ | {"OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    [file] = (folder / model).rglob("samples_*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return {row["doc"]["id"]: bool(row["right"]) for row in sorted(rows, key=lambda row: row["doc_id"])}


if __name__ == "__main__":
    main()
