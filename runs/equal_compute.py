"""All strategies at equal computed tokens: `builtin:mini` guided by `builtin:mini-prm`. About half an hour on 2 idle cores.

python runs/equal_compute.py          # writes docs/equal_compute.md; killed, the same command goes on

The votes and best-of-n are evaluated exactly, from one bank of samples; their costs, and all searches, come from real runs at four
sizes, chosen on the validation split to use about each budget. A search is compared with best-of-n at the tokens that it used.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ponder.config import store_path
from ponder.lab.attempt import attempts
from ponder.lab.bank import draw_bank
from ponder.lab.intervals import interval
from ponder.lab.statistics import Floats, best_of_k, majority_at_k, pass_at_k
from ponder.models.catalog import opened
from ponder.store import Store, keeping
from ponder.tasks import get
from ponder.types import Model, Problem, Usage, Verifier
from ponder.verifiers import opened as judging

PAGE = Path(__file__).parent.parent / "docs" / "equal_compute.md"
KEPT = store_path().with_name("equal_compute.jsonl")
TASK, PROBLEMS, PILOT, ABREAST = get("countdown-4"), 200, 16, 32
BUDGETS = (200, 400, 800, 1600)
SAMPLES = 32

BEST = "best-of-n(n={n})"
SEARCHES = {  # by what their size must be a multiple of
    BEST: 1,
    "beam(beams={n},width=4)": 4,
    "beam(beams={n},width=2)": 2,
    "lookahead(beams={n},width=4)": 4,
    "dvts(beams={n},width=4)": 4,
    "rebase(n={n})": 1,
    "particles(n={n})": 1,
    "particle-gibbs(n={n})": 1,
    "twisted-smc(n={n})": 1,
    "mcts(simulations={n})": 1,
    "alphamath(simulations={n})": 1,
    "rstar(simulations={n})": 1,
    "ab-mcts(n={n})": 1,
    "tree-of-thoughts(generate=sample,evaluate=verifier,width=4,beam={n})": 1,
    "think(waits={n})": 1,
}


@dataclass(frozen=True)
class Run:
    """A strategy on all problems: what each answer was worth and cost, the bill by role, and the wall seconds a problem."""

    template: str
    budget: int
    size: int
    right: list[float]
    tokens: list[int]
    bill: dict[str, dict[str, int]]
    seconds: float


async def run(template: str, budget: int, size: int, problems: Sequence[Problem]) -> Run:
    """On engines of its own: what another run has left in their caches would be computed for nothing here."""
    async with judging("builtin:mini-prm", TASK) as prm, opened("builtin:mini") as model:
        assert prm is not None
        return await measured(template, budget, size, problems, model, prm)


async def measured(template: str, budget: int, size: int, problems: Sequence[Problem], model: Model, prm: Verifier) -> Run:
    began = time.monotonic()
    made = await attempts(problems, ABREAST, model=model, strategy=template.format(n=size), verifier=prm)
    seconds = (time.monotonic() - began) / len(problems)
    bill = {role: asdict(sum((one.bill.get(role, Usage()) for one in made), Usage())) for role in ("policy", "verifier")}
    return Run(template, budget, size, [one.right for one in made], [one.tokens for one in made], bill, seconds)


async def sizes(template: str, unit: int) -> list[int]:
    """For each budget the size that uses it up: on a straight line through what two sizes cost on the pilot problems."""
    pilot = TASK.load("validation", PILOT)
    tried = (unit * max(1, 4 // unit), unit * max(2, 16 // unit))
    low, high = [float(np.mean((await run(template, 0, size, pilot)).tokens)) for size in tried]
    wanted = [tried[0] + (budget - low) * (tried[1] - tried[0]) / max(high - low, 1.0) for budget in BUDGETS]
    return [max(unit, min(256, unit * round(size / unit))) for size in wanted]


async def searches(problems: Sequence[Problem]) -> list[Run]:
    """Every search at every budget; those that an earlier run has finished are read back."""
    done = [Run(**json.loads(line)) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    for template, unit in SEARCHES.items():
        left = set(BUDGETS) - {one.budget for one in done if one.template == template}
        chosen = await sizes(template, unit) if left else []
        for budget, size in zip(BUDGETS, chosen, strict=False):
            if budget in left:
                same = next((one for one in done if (one.template, one.size) == (template, size)), None)
                made = replace(same, budget=budget) if same else await run(template, budget, size, problems)
                print(f"{template.format(n=size)}: {np.mean(made.right):.1%} at {np.mean(made.tokens):,.0f} tokens", flush=True)
                done.append(made)
                with KEPT.open("a") as file:
                    file.write(json.dumps(asdict(made)) + "\n")
    return sorted(
        (one for one in done if one.template in SEARCHES), key=lambda one: (list(SEARCHES).index(one.template), one.budget)
    )


Line = tuple[float, float]
"""Tokens a problem of n samples: the first number, and n times the second."""


@dataclass(frozen=True)
class Curve:
    """A rule of choice, exactly: accuracy by problem at 1 to SAMPLES samples, (problems, SAMPLES), and what they cost by role."""

    name: str
    right: Floats
    policy: Line
    verifier: Line = (0.0, 0.0)

    def samples(self, tokens: float) -> float:
        """How many samples cost so many computed tokens."""
        return (tokens - self.policy[0] - self.verifier[0]) / (self.policy[1] + self.verifier[1])

    def at(self, tokens: float) -> Floats:
        """By problem, at so many computed tokens: on a straight line between two whole numbers of samples."""
        n = min(max(self.samples(tokens), 1.0), float(SAMPLES))
        below, above = int(n) - 1, min(int(n), SAMPLES - 1)
        return np.asarray(self.right[:, below] + (n - int(n)) * (self.right[:, above] - self.right[:, below]))


def line(runs: Sequence[Run], role: str) -> Line:
    """What best-of-n has cost at its sizes: a prompt is computed once for all samples, and equal beginnings are judged once."""
    found = [(one.size, Usage(**one.bill[role]).computed / PROBLEMS) for one in runs if one.template == BEST]
    each, base = np.polyfit(*zip(*found, strict=True), 1)
    return float(base), float(each)


async def curves(problems: Sequence[Problem], policy: Line, verifier: Line) -> list[Curve]:
    with closing(Store(store_path())) as store, keeping(store):
        async with judging("builtin:mini-prm", TASK) as prm, opened("builtin:mini") as model:
            bank = await draw_bank(problems, model, SAMPLES, verifier=prm)
    ks, (count, n) = range(1, SAMPLES + 1), bank.correct.shape
    passed = pass_at_k(np.full(count, n), bank.correct.sum(axis=1), ks)
    return [
        Curve("best-of-n", best_of_k(bank.scores, bank.correct, ks), policy, verifier),
        Curve("weighted-vote", majority_at_k(bank.classes, bank.correct, ks, bank.scores)[0], policy, verifier),
        Curve("self-consistency", majority_at_k(bank.classes, bank.correct, ks)[0], policy),
        Curve("(any of n: the exact checker)", passed, policy),
    ]


def rows(best: Curve, others: Sequence[Curve], runs: Sequence[Run]) -> Iterator[str]:
    """The table's rows: a strategy at a budget each; a size that serves several budgets stands at the last of them."""
    for curve in (best, *others):
        for budget in BUDGETS:
            n, used = max(curve.samples(budget), 1.0), float(budget)
            policy, verifier = (base + n * each for base, each in (curve.policy, curve.verifier))
            cells = (f"{n:.1f}", used, policy, verifier, None, None)
            yield row(curve.name, budget, cells, curve.at(used), best.at(used))
    for one in {(run.template, run.size): run for run in runs}.values():
        used, bill = float(np.mean(one.tokens)), {role: Usage(**usage) for role, usage in one.bill.items()}
        total = sum(bill.values(), Usage())
        spent = [bill[role].computed / PROBLEMS for role in ("policy", "verifier")]
        cells = (str(one.size), used, *spent, total.cached / total.prompt, one.seconds)
        yield row(one.template.replace("{n}", "N"), one.budget, cells, np.array(one.right), best.at(used))


Cells = tuple[str, float, float, float, float | None, float | None]
"""Size, tokens in all, of the policy, of the verifier, cached share of the prompts, seconds."""


def row(name: str, budget: int, cells: Cells, right: Floats, best: Floats) -> str:
    size, *spent, cached, seconds = cells
    (low,), (high,) = interval(right[:, None])
    ratio, bounds = against(right, best)
    tokens = " | ".join(f"{number:,.0f}" for number in spent if number is not None)
    return (
        f"| `{name}` | {budget} | {size} | {right.mean():.1%} | {low:.1%} – {high:.1%} | {tokens} "
        f"| {'' if cached is None else f'{cached:.0%}'} | {'' if seconds is None else f'{seconds:.2f}'} "
        f"| {ratio:.2f} [{bounds[0]:.2f}, {bounds[1]:.2f}] |"
    )


def against(right: Floats, best: Floats, resamples: int = 2000) -> tuple[float, tuple[float, float]]:
    """The ratio of two accuracies on the same problems, and its 95 % interval by resampling problems."""
    drawn = np.random.default_rng(0).integers(0, len(right), (resamples, len(right)))
    ratios = right[drawn].mean(axis=1) / best[drawn].mean(axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(right.mean() / best.mean()), (float(low), float(high))


HEAD = """# All strategies at equal computed tokens

Made by `python runs/equal_compute.py`: {problems} held-out problems of countdown-4, `builtin:mini` at its task's temperature, every
choice by `builtin:mini-prm`. A computed token is a prompt token that no cache held or a completion token, of the policy or of the
verifier. `size` is what the strategy may draw (its N). *Ratio* is the accuracy over that of best-of-n with the same verifier at the
tokens really used, with its 95 % interval over problems (paired).

| strategy | budget | size | solved | 95 % interval | tokens | policy | verifier | cached | seconds | ratio to best-of-n |
|---|---|---|---|---|---|---|---|---|---|---|
"""

TAIL = """

From about 400 tokens on the best searches of this model are `twisted-smc` and `rebase`. Much of what they gain is the weighted vote
at their end, which gives plain samples some of it too: the verifier tells a right end well (AUC .955), but a first or second step
badly (.65 and .69, see the [card](mini.md)), so that what prunes hard by it (`beam`, `dvts`, `alphamath`) loses to sampling.
`rstar` asks no verifier, and its equal steps are one node: it is the best at 200 tokens, and a vote is all that chooses at its end,
so it hardly grows. `think` solves nothing: after "Wait" this model goes on as if with a step too many.

The first rows are exact expectations over subsets of {samples} samples, so their sizes are fractions; their costs are those of the
runs of best-of-n on a straight line. Every run has engines of its own, whose caches are cold at its beginning. Seconds are wall
time a problem with {abreast} problems at once, on 2 shared cores: compare them within this table only. *Any of n* is what an exact
checker would find in the policy's samples alone, and bounds every choice among them.

Not in the table, because `builtin:mini` reads one question and writes steps, and understands no other request: `self-refine`,
`revise`, `reflexion`, `chain-of-verification`, `universal-self-consistency`, `mixture-of-agents`, `debate`, `rap`, `lats`, `codet`
and `plan-search`. `knockout` and `league` with a verifier of single samples choose what best-of-n chooses.
"""


async def measure() -> tuple[list[Curve], list[Run]]:
    problems = TASK.load("test", PROBLEMS)
    runs = await searches(problems)
    return await curves(problems, line(runs, "policy"), line(runs, "verifier")), runs


def main() -> None:
    (best, *others), runs = asyncio.run(measure())
    text = HEAD.format(problems=PROBLEMS) + "\n".join(rows(best, others, runs)) + TAIL.format(samples=SAMPLES, abreast=ABREAST)
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
