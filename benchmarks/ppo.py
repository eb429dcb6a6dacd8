"""What a step of PPO costs beside one of GRPO: peak memory and FLOPs, on the same prompts and draws, each in a fresh process.

python benchmarks/ppo.py              # about 5 minutes on 2 cores

Both keep a reference model (beta .04). A coin that follows from the answer's text pays, so that every group teaches something and
GRPO is spared nothing: no model need be good at anything here.
"""

import json
import resource
import subprocess
import sys
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ponder.train import grpo, ppo
from ponder.train.loop import load
from ponder.train.mini import shape
from ponder.train.objective import PRESETS

WAYS = {"grpo": (grpo, PRESETS["grpo"]), "ppo": (ppo, replace(PRESETS["ppo"], beta=PRESETS["grpo"].beta))}
MODELS = ("builtin:mini", "random")


def coin(*, completions, **_):
    return [float(zlib.crc32(text.encode()) % 2) for text in completions]


def plan(objective):
    return grpo.Plan(
        steps=1, prompts=8, samples=8, kept=8, objective=objective, mix={"countdown-3": 1.0}, limits={"countdown-3": 48},
        reward=coin, warmup=1, threads=1,
    )  # fmt: skip


def peak(run):
    """The most bytes of tensors that `run` held at once beyond those before it."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    told = [(one.start_ns(), one.nbytes()) for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    return int(max(np.cumsum([size for _, size in sorted(told, key=lambda one: one[0])])))


def policy(name):
    """The built-in model, or a random one of its kind that is larger."""
    if name == "builtin:mini":
        return load(name)
    torch.manual_seed(1)
    larger = shape()
    larger.hidden_size, larger.num_hidden_layers, larger.intermediate_size = 512, 8, 1408
    larger.num_attention_heads, larger.num_key_value_heads = 8, 4
    larger.head_dim = 64
    return type(load("builtin:mini"))(larger)


def measured(way, name, what):
    """A figure of one step: `resident` bytes of the process at its peak, `tensors` at theirs, or `flops` of drawing and of all."""
    module, objective = WAYS[way]
    torch.set_num_threads(1)
    model, todo = policy(name), plan(objective)
    with tempfile.TemporaryDirectory() as folder:
        if what == "tensors":
            return peak(lambda: module.learn(model, todo, Path(folder)))
        if what == "flops":
            with FlopCounterMode(display=False) as counter:
                grpo.draw(model, todo.problems()[: todo.prompts], todo, todo.samples, 1)
            with FlopCounterMode(display=False) as whole:
                module.learn(model, todo, Path(folder))
            return [counter.get_total_flops(), whole.get_total_flops()]
        module.learn(model, todo, Path(folder))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(*words):
    printed = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def main():
    heads = ("model", "parameters", "method", "resident at the peak", "tensors at the peak", "FLOPs of learning", "of drawing")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name in MODELS:
        size = f"{policy(name).num_parameters() / 1e6:.1f} M"
        for way in WAYS:
            resident, tensors, (drawing, whole) = (child(way, name, what) for what in ("resident", "tensors", "flops"))
            told = [f"{bytes_ / 1e6:,.0f} MB" for bytes_ in (resident, tensors)]
            told += [f"{flops / 1e9:,.1f} G" for flops in (whole - drawing, drawing)]
            print(f"| {' | '.join((name, size, way, *told))} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(*sys.argv[1:])))
    else:
        main()
