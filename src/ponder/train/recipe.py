"""The recipe of the small reasoners: stages that make models out of models, each in a folder of its own, done once.

    zero        mini, explored, reinforced: no demonstrations (R1-Zero)
    cold        mini, tuned on what `zero` explored and on its searches that try nothing twice: the cold start
    reasoner    cold, reinforced
    harvest     cold, tuned further on the right answers of `reasoner` (rejection sampling)
    r1          harvest, reinforced
    short       zero, tuned on its right answers of few tries, written briefly, reinforced with a price on tokens
    asked       zero, tuned to think for as long as it is asked to
    small       a smaller model, trained from nothing on the data of `mini`
    small-zero  small, explored and reinforced by itself
    distilled   small, tuned on the right answers of `zero` and on what it explored

The order, and what each stage is for, is DeepSeek-R1's (DeepSeek-AI 2025); its harvest begins with the base again, for which a
laptop has no time, and its students learnt from what its last model had answered: ours learn from `zero`, the best that was
measured. Killed, the same command goes on.
"""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ponder.errors import InputError
from ponder.models.catalog import download
from ponder.tasks import get
from ponder.train import mini
from ponder.train.abreast import Job, abreast
from ponder.train.allotment import MOST, Obedience, allotted, obeyed
from ponder.train.evaluation import Evaluation, evaluate, gain, table
from ponder.train.exploration import Teach, brief, concise, curated, explore, rejected, searched
from ponder.train.grpo import Plan, learn
from ponder.train.loop import Recipe, load, ship, train
from ponder.train.sft import Shown, sft
from ponder.types import Problem

LONGEST = 480
"""Tokens of an answer of several tries: seven of Countdown-4, five of Countdown-5; with the longest question, the context is
full."""
SHORT = 330
"""The same of `short`, which writes seven tries of Countdown-4 in as many."""
PRICE = 0.001
"""What a token costs `short` in reinforcement, where a right answer pays 1."""
FIRST, AGAIN = 1e-3, 6e-4
"""Peak rates, at a hidden size of 256, of tuning a model that has only been trained, and one that has been tuned: the first left
less loss in as many steps than the second, and took from a tuned model what it was not shown again."""
COUNTDOWN = ("countdown-3", "countdown-4", "countdown-5")
TESTS = {"countdown": LONGEST, "arithmetic-16": None}
"""The held-out tasks that every stage is judged on, and the most tokens of an answer (None: the task's own)."""
DRAWS = 16
"""Answers to each held-out problem."""
VOTED = {("mini", "countdown"): 64, ("zero", "countdown"): 64}
"""The same where a vote of more is looked at: that of 64, before and after pure reinforcement."""
CLAIMS = (
    ("zero", "mini"),
    ("cold", "mini"),
    ("reasoner", "zero"),
    ("r1", "zero"),
    ("r1", "reasoner"),
    ("short", "zero"),
    ("small-zero", "small"),
    ("distilled", "small-zero"),
)
SHARES = {"countdown-3": 0.1, "countdown-4": 0.4, "countdown-5": 0.2, "arithmetic-16": 0.2, "arithmetic": 0.1}
REINFORCED = {"countdown-3": 0.1, "countdown-4": 0.35, "countdown-5": 0.2, "arithmetic-16": 0.2, "arithmetic": 0.15}
"""The parts of the tasks in what is explored, and in reinforcement: there a fifth of arithmetic was too little to keep it."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each stage does: `problems` explored with `samples` draws each, `tuning` steps, `reinforcing` steps of
    `prompts` problems; `small` steps train the smaller model. `longest` is the most tokens of an answer.

    The defaults are what two cores do in 90 minutes."""

    problems: int = 1500
    samples: int = 16
    tuning: int = 400
    reinforcing: int = 8
    prompts: int = 24
    small: int = 2000
    longest: int = LONGEST

    def scaled(self, scale: float) -> "Sizes":
        """So many times the problems and steps. Raises InputError for a scale that leaves none."""
        if not 0 < scale < math.inf:
            raise InputError(f"a recipe of {scale} times its size does nothing; give a positive number, such as 1.5")
        many = {name: max(1, round(scale * getattr(self, name))) for name in ("problems", "tuning", "reinforcing", "small")}
        return replace(self, **many)

    def tuned(self, model: Any, seed: int, peak: float, share: float = 1.0) -> Recipe:
        """A share of the steps; the rate is as the inverse of the width (Yang et al. 2021)."""
        steps, peak = max(1, round(self.tuning * share)), peak * 256 / model.config.hidden_size
        return Recipe(steps, rows=8, width=512, peak=peak, warmup=20, decay=0.0, seed=seed, keep=50, threads=1)

    def reinforced(self, seed: int) -> Plan:
        limits = dict.fromkeys(COUNTDOWN, self.longest)
        return Plan(
            steps=self.reinforcing,
            prompts=self.prompts,
            samples=8,
            kept=8,
            updates=2,
            rate=1e-4,
            tries=True,
            mix=REINFORCED,
            limits=limits,
            seed=seed,
            threads=1,
            keep=5,
        )


def problems(sizes: Sizes, seed: int) -> list[Problem]:
    """Distinct problems of the training split, mixed; each `seed` gives others."""
    drawn = []
    for name, share in SHARES.items():
        count = round(sizes.problems * share)
        drawn += get(name).load("train", seed * count)[-count:]
    random.Random(seed).shuffle(drawn)
    return drawn


Make = Callable[[Mapping[str, Path], Path, Sizes], Any]
"""Trains a stage's model from those before it (paths of weights by name); writes what it needs to go on into its folder."""


def _zero(student: str, share: float = 1.0) -> Make:
    """Explored, tuned on its own searches for a share of the steps, reinforced."""

    def make(given: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
        model = load(str(given[student]))
        plan = Plan(threads=1)
        shown = explore(folder / "explored.jsonl", model, problems(sizes, 1), sizes.samples, searched, 0, plan)
        sft(model, shown, sizes.tuned(model, 1, FIRST, share), folder / "tuned.pt")
        learn(model, sizes.reinforced(1), folder)
        return model

    return make


def _tuned(teacher: str, student: str, teach: Teach, seed: int, share: float = 1.0, also: str = "") -> Make:
    """The student tuned on what `teach` makes of the teacher's answers, and on what `also` explored, for a share of the steps."""

    def make(given: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
        asked, samples = problems(sizes, seed)[: sizes.problems // 2], sizes.samples // 4
        shown = explore(folder / "shown.jsonl", load(str(given[teacher])), asked, samples, teach, seed, sizes.reinforced(seed))
        model, peak = load(str(given[student])), FIRST if student in ("mini", "small") else AGAIN
        sft(model, shown + (_found(given[also]) if also else []), sizes.tuned(model, seed, peak, share), folder / "tuned.pt")
        return model

    return make


def _found(weights: Path) -> list[Shown]:
    """What the model with these weights was tuned on when it had explored."""
    lines = (weights.parent / "explored.jsonl").read_bytes().splitlines()
    return [shown for line in lines for shown in msgspec.json.decode(line, type=list[Shown])]


def _reinforced(student: str, seed: int) -> Make:
    def make(given: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
        model = load(str(given[student]))
        learn(model, sizes.reinforced(seed), folder)
        return model

    return make


def _short(given: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
    """Tuned on short right answers of `zero`, and on half as many of the searches that it explored, all written briefly; then
    reinforced within fewer tokens, at a price for each."""
    model, asked = load(str(given["zero"])), problems(sizes, 5)[: sizes.problems // 2]
    shown = explore(folder / "shown.jsonl", model, asked, sizes.samples // 4, concise, 5, sizes.reinforced(5))
    found = _found(given["zero"])
    some = random.Random(5).sample(found, min(len(found), len(shown) // 2))
    sft(model, shown + [brief(one) for one in some], sizes.tuned(model, 5, AGAIN, 1.25), folder / "tuned.pt")
    limits = dict.fromkeys(COUNTDOWN, min(sizes.longest, SHORT))
    learn(model, replace(sizes.reinforced(5), limits=limits, price=PRICE), folder)
    return model


def _asked(given: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
    """Tuned on the searches that `zero` explored, each with a length that it was made to fit; for more steps than others, since
    `zero` is sure of its habits: after 360 the rank correlation was .89."""
    model = load(str(given["zero"]))
    sft(model, allotted(_found(given["zero"]), 5), sizes.tuned(model, 5, AGAIN, 1.1), folder / "tuned.pt")
    return model


def _small(_: Mapping[str, Path], folder: Path, sizes: Sizes) -> Any:
    recipe = Recipe(steps=sizes.small, threads=1)
    model = mini.fresh(recipe, mini.shape(128, 3))
    train(model, mini.loss(recipe), recipe, folder / "checkpoint.pt")
    return model


@dataclass(frozen=True, slots=True)
class Stage:
    """How a model is made, and of which ones."""

    needs: tuple[str, ...]
    make: Make


STAGES = {
    "zero": Stage(("mini",), _zero("mini")),
    "cold": Stage(("mini", "zero"), _tuned("zero", "mini", curated, 2, 1.25, also="zero")),
    "reasoner": Stage(("cold",), _reinforced("cold", 2)),
    "harvest": Stage(("cold", "reasoner"), _tuned("reasoner", "cold", rejected, 3, 0.25)),
    "r1": Stage(("harvest",), _reinforced("harvest", 3)),
    "short": Stage(("zero",), _short),
    "asked": Stage(("zero",), _asked),
    "small": Stage((), _small),
    "small-zero": Stage(("small",), _zero("small", 2.0)),
    "distilled": Stage(("small", "zero"), _tuned("zero", "small", rejected, 4, 2.0, also="zero")),
}


def needed(names: Sequence[str]) -> list[str]:
    """The stages named and all that they need, in the recipe's order. Raises InputError for a name that is none."""
    wanted, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name not in STAGES:
            raise InputError(f"the recipe has no stage `{name}`; its stages are {', '.join(STAGES)}")
        wanted.add(name)
        left += [one for one in STAGES[name].needs if one != "mini"]
    return [name for name in STAGES if name in wanted]


def run(
    folder: Path,
    sizes: Sizes,
    names: Sequence[str] = (),
    count: int = 0,
    most: int = 2,
    told: Callable[[str], object] = lambda _: None,
) -> dict[str, Path]:
    """The stages named (default: all) and what they need, each in `folder`/NAME, whose model is NAME.gguf there; every model is
    judged on `count` held-out problems (0: not judged). `most` of all this is done at once.

    A stage that has its model is left alone. `told` hears what is done, log.txt in a stage's folder how far it is; times.jsonl gets
    each stage's CPU minutes.
    """
    stages = needed(names or list(STAGES))
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {f"made {name}": Job(partial(make, name, folder, sizes), _needs(name)) for name in stages}
    for name in ("mini", *stages) if count else ():
        jobs[f"judged {name}"] = Job(partial(judge, name, folder, count), () if name == "mini" else (f"made {name}",))
    abreast(jobs, most, told)
    return {name: weights(name, folder) for name in ("mini", *stages)}


def _needs(name: str) -> tuple[str, ...]:
    return tuple(f"made {one}" for one in STAGES[name].needs if one != "mini")


def weights(name: str, folder: Path) -> Path:
    """Where the weights of a stage are, or will be."""
    return download("builtin:mini") if name == "mini" else folder / name / f"{name}.gguf"


def make(name: str, folder: Path, sizes: Sizes) -> None:
    """Make the model of a stage, if it is not there."""
    inside = folder / name
    if weights(name, folder).exists():
        return
    inside.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=inside / "log.txt", level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    began = time.process_time()
    given = {one: weights(one, folder) for one in STAGES[name].needs}
    ship(STAGES[name].make(given, inside, sizes), name, inside)
    with (folder / "times.jsonl").open("a") as file:
        file.write(json.dumps({"stage": name, "cpu_minutes": (time.process_time() - began) / 60}) + "\n")


def judge(name: str, folder: Path, count: int) -> None:
    """Measure a model, if it was not measured."""
    judged(name, folder, count)
    if name == "asked":
        obedience(folder, count)


def judged(name: str, folder: Path, count: int) -> list[Evaluation]:
    """A model on held-out problems, `count` of each task; kept in `folder`, so that it is measured once."""
    found = []
    for task, limit in TESTS.items():
        limit = SHORT if limit and name == "short" else limit
        kept = folder / f"{name}-{task}-{count}.json"
        if not kept.exists():
            model, samples = load(str(weights(name, folder))), VOTED.get((name, task), DRAWS)
            kept.write_bytes(msgspec.json.encode(evaluate(model, task, count, samples, limit=limit)))
        found.append(msgspec.json.decode(kept.read_bytes(), type=Evaluation))
    return found


def obedience(folder: Path, count: int) -> Obedience:
    """How well `asked` keeps to the length that it is asked for, on `count` held-out problems; measured once."""
    kept = folder / f"asked-{count}.json"
    if not kept.exists():
        model = load(str(weights("asked", folder)))
        kept.write_bytes(msgspec.json.encode(obeyed(model, "countdown", count, 4, range(60, MOST + 1, 60))))
    return msgspec.json.decode(kept.read_bytes(), type=Obedience)


def report(found: Mapping[str, Sequence[Evaluation]]) -> str:
    """All models in a table, and what R1 claims of its stages, each as a paired difference with its interval."""
    lines = [table(found), ""]
    for better, worse in CLAIMS:
        if better in found and worse in found:
            for new, old in zip(found[better], found[worse], strict=True):
                one, some = gain(new.one, old.one), gain(new.any, old.any)
                ratio = f", {new.one.value / old.one.value:.2f} times" if old.one.value else ""
                lines.append(f"- {better} against {worse}, {new.task}: one sample {one}{ratio}; any of 8 {some}")
    return "\n".join(lines) + "\n"
