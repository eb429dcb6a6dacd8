"""Train `mini-zero` from `builtin:mini` by reinforcement alone, no demonstrations: `python -m ponder.train.zero FOLDER`.

What R1-Zero is to its base (DeepSeek-AI 2025): the model draws, the tasks' checks pay, nothing else is said. `docs/grpo.md` says
what was measured so far, and what was not.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ponder.models.catalog import download
from ponder.train.evaluation import Evaluation, evaluate, gain, table
from ponder.train.grpo import Plan, learn
from ponder.train.loop import ship

import torch  # isort: skip - behind the loop, whose error names the extra
from transformers import LlamaForCausalLM  # isort: skip - behind the loop, whose error names the extra

log = logging.getLogger(__name__)

TASKS = ("countdown-3", "countdown-4", "countdown-5", "arithmetic-16")
PLAN = Plan(
    steps=150,
    prompts=32,
    kept=16,
    updates=1,
    k=2,
    mix={"countdown-3": 0.2, "countdown-4": 0.5, "countdown-5": 0.2, "arithmetic": 0.1},
    heat={"countdown-3": 1.0, "countdown-4": 1.0, "countdown-5": 1.0},
)


def base() -> Any:
    """`builtin:mini` as a LlamaForCausalLM in float32."""
    weights = download("builtin:mini")
    return LlamaForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)


def told(line: dict[str, Any]) -> None:
    log.info(
        "step %d  reward %.3f  any %.2f  tokens %.0f  entropy %.3f  %.1f s",
        *(line.get(name, float("nan")) for name in ("step", "reward", "any", "tokens", "entropy", "seconds")),
    )


def compared(before: list[Evaluation], after: list[Evaluation]) -> str:
    """What has changed, each with a paired interval."""
    lines = []
    for old, new in zip(before, after, strict=True):
        lines.append(
            f"{old.task}: one {gain(new.one, old.one)}, any of 8 {gain(new.any, old.any)}, tokens {new.tokens - old.tokens:+.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ponder.train.zero", description=__doc__)
    parser.add_argument("folder", type=Path, help="where checkpoint.pt, steps.jsonl, report.md and mini-zero.gguf go")
    parser.add_argument("--steps", type=int, default=PLAN.steps)
    parser.add_argument("--prompts", type=int, default=PLAN.prompts)
    parser.add_argument("--threads", type=int, default=PLAN.threads)
    parser.add_argument("--problems", type=int, default=100, help="held-out problems of each task in the evaluation")
    options = parser.parse_args()
    plan = replace(PLAN, steps=options.steps, prompts=options.prompts, threads=options.threads)
    torch.set_num_threads(plan.threads)
    model = base()
    learn(model, plan, options.folder, told)
    ship(model, "mini-zero", options.folder)
    before = [evaluate(base(), task, options.problems) for task in TASKS]
    after = [evaluate(model, task, options.problems) for task in TASKS]
    report = f"{table({'mini': before, 'mini-zero': after})}\n\n{compared(before, after)}\n"
    (options.folder / "report.md").write_text(report)
    log.info("\n%s", report)


if __name__ == "__main__":
    main()
