"""Reinforcement learning with verifiable rewards, for models of builtin size on a CPU.

A step draws a group of answers to each of many prompts (`decoder`), grades them with the tasks' own checks, and moves the weights
along the advantages (`advantage`, `objective`). Everything a step needs but weights and optimizer is a function of the plan and the
step's number, so a killed run goes on from its checkpoint as if nothing had happened.
"""

import copy
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ponder.tasks import get
from ponder.train import advantage, curriculum
from ponder.train.curriculum import Band
from ponder.train.data import BOS, FIRST_BYTE, PAD, encode
from ponder.train.decoder import Drawn, decode
from ponder.train.monitor import Signs, Watch, signs
from ponder.train.objective import PRESETS, Objective, k3, slopes
from ponder.train.rewards import Reward, accuracy
from ponder.train.tries import credit, goal, tried
from ponder.types import Problem

import torch  # isort: skip - behind the decoder, whose error names the extra

log = logging.getLogger(__name__)
Floats = NDArray[np.float64]

PART = 2048
"""Tokens that are gone through at once: four times as many take a quarter more time, for they leave the cache."""
MIX = {"countdown-3": 0.15, "countdown-4": 0.5, "countdown-5": 0.2, "arithmetic": 0.15}


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` of `prompts` x `samples` draws; of each group whose rewards differ, `kept` are learnt from (an even
    choice of high and low rewards, weighted so that the gradient stays that of the whole group), in `updates` optimizer steps.

    `k` > 1 rewards the chance that one of k is right (`advantage.pass_at_k`). An answer's steps are judged; with `tries`, where a
    question has a goal to try for again, those of each try within it, and each token costs `price` (`tries.credit`).

    While the draws' mean entropy is below `floor` nats a token, `bonus` times the entropy is maximised too. `limits`, the most
    tokens of an answer, and `heat`, the temperature of the draws, are by task; the default is the task's own. The rate rises over
    `warmup` steps and then falls along a line to a fifth. `watch` looks whether the reward is earned as it was meant.

    Up to `rounds` times as many prompts are drawn, until as many groups as there are `prompts` teach something. With a `band`,
    tasks whose solve rate lies outside it are asked less (`curriculum`).
    """

    steps: int = 150
    prompts: int = 32
    samples: int = 16
    kept: int = 16
    updates: int = 1
    rate: float = 2e-4
    warmup: int = 5
    k: int = 1
    tries: bool = False
    price: float = 0.0
    floor: float = 0.0
    bonus: float = 0.0
    objective: Objective = PRESETS["dapo"]
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))
    limits: dict[str, int] = field(default_factory=dict)
    heat: dict[str, float] = field(default_factory=dict)
    reward: Reward = accuracy
    watch: Watch = field(default_factory=Watch)
    rounds: int = 1
    band: Band | None = None
    seed: int = 1
    threads: int = 2
    keep: int = 10

    def problems(self) -> list[Problem]:
        """Every prompt of the run, in order: distinct problems of the training split, mixed."""
        count = self.steps * self.rounds * self.prompts
        drawn = [one for name, share in self.mix.items() for one in get(name).load("train", round(count * share * 1.02) + 1)]
        random.Random(self.seed).shuffle(drawn)
        return drawn[:count]

    def pools(self) -> dict[str, list[Problem]]:
        """As many problems of every task as the run has prompts: with a `band`, any of them may be asked at any step."""
        return {name: list(get(name).load("train", self.steps * self.rounds * self.prompts)) for name in self.mix}

    def limit(self, problem: Problem) -> int:
        return self.limits.get(problem.task.name, problem.task.max_tokens)

    def temperature(self, problem: Problem) -> float:
        return self.heat.get(problem.task.name, problem.task.temperature)

    def pace(self, step: int) -> float:
        """The step's learning rate."""
        return self.rate * min(1.0, (step + 1) / self.warmup) * (1 - 0.8 * step / self.steps)


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Draws of a step: `problems` one a group; everything else one a draw, groups together. `rewards` is (groups, samples)."""

    problems: list[Problem]
    prompts: list[list[int]]
    texts: list[str]
    answers: list[NDArray[np.int64]]
    logprobs: list[NDArray[np.float32]]
    ended: NDArray[np.bool_]
    rewards: Floats


def prompt(problem: Problem) -> list[int]:
    """The tokens of a question, as `builtin:mini` reads it."""
    return [BOS, *encode(problem.question + "\n")]


def text(tokens: NDArray[np.int64]) -> str:
    """The characters of an answer; specials are not text."""
    return bytes(int(token) - FIRST_BYTE for token in tokens if FIRST_BYTE <= token < FIRST_BYTE + 256).decode(errors="replace")


def draw(model: Any, problems: Sequence[Problem], plan: Plan, samples: int, seed: int) -> Rollouts:
    """`samples` answers to each problem, graded by the plan's reward.

    Problems of equal limit and temperature are drawn together, the shortest prompts side by side, 1,024 draws at a time.
    """
    heat = [plan.temperature(problem) for problem in problems]
    order = sorted(range(len(problems)), key=lambda at: (plan.limit(problems[at]), heat[at], len(problems[at].question)))
    size, found = max(1, 1024 // samples), dict[int, tuple[Drawn, int]]()
    for batch in _runs(order, lambda at: (plan.limit(problems[at]), heat[at]), size):
        prompts = [prompt(problems[at]) for at in batch]
        drawn = decode(model, prompts, samples, plan.limit(problems[batch[0]]), heat[batch[0]], seed + batch[0])
        found |= {at: (drawn, place * samples) for place, at in enumerate(batch)}
    answers, logprobs, ended = [], [], []
    for at in range(len(problems)):
        drawn, first = found[at]
        for row in range(first, first + samples):
            answers.append(drawn.tokens[row, : drawn.lengths[row]])
            logprobs.append(drawn.logprobs[row, : drawn.lengths[row]])
            ended.append(drawn.ended[row])
    texts = [text(answer) for answer in answers]
    lined = [problem for problem in problems for _ in range(samples)]
    lengths = [len(answer) for answer in answers]
    values = plan.reward(completions=texts, problem=lined, tokens=lengths, ended=ended)
    rewards = np.array(values, float).reshape(-1, samples)
    prompts = [prompt(problem) for problem in problems]
    return Rollouts(list(problems), prompts, texts, answers, logprobs, np.array(ended), rewards)


def _runs(order: Sequence[int], key: Callable[[int], Any], size: int) -> Iterator[list[int]]:
    """Neighbours of equal key together, at most `size` of them."""
    batch: list[int] = []
    for at in order:
        if batch and (len(batch) == size or key(at) != key(batch[0])):
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def chosen(rewards: Floats, kept: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Which samples of a group to learn from, and how much each counts: half from the highest reward's side of the mean, half from
    the other, at random, weighted by how many each stands for. The sum of weights is the group's size."""
    above = rewards > rewards.mean()
    sides = [np.flatnonzero(above), np.flatnonzero(~above)]
    few = min(sides, key=len)
    many = sides[1] if few is sides[0] else sides[0]
    picks = []
    takes = {id(few): min(len(few), kept // 2)}
    takes[id(many)] = min(len(many), kept - takes[id(few)])
    for side in sides:
        picked = rng.permutation(side)[: takes[id(side)]]
        picks.append((picked, np.full(len(picked), len(side) / max(len(picked), 1))))
    return np.concatenate([one for one, _ in picks]), np.concatenate([one for _, one in picks])


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one answer teaches: its prompt and answer in tokens, their old log-probabilities at the temperature `heat`, its
    advantage with its weight, and their log-probabilities by the reference model where the objective wants them."""

    prompt: list[int]
    answer: NDArray[np.int64]
    old: NDArray[np.float32]
    advantage: Floats
    heat: float
    reference: NDArray[np.float32] | None = None


def lesson(rollouts: Rollouts, plan: Plan, at: int, gain: float = 0.0) -> Lesson:
    """The draw with the number `at` as a lesson, each of its tokens worth `gain`."""
    group, answer = at // rollouts.rewards.shape[1], rollouts.answers[at]
    heat = plan.temperature(rollouts.problems[group])
    return Lesson(rollouts.prompts[group], answer, rollouts.logprobs[at], np.full(len(answer), gain), heat)


def lessons(rollouts: Rollouts, plan: Plan, step: int) -> list[Lesson]:
    """The answers that a step learns from: of groups whose rewards are all known, where one did better than another."""
    rng, samples = np.random.default_rng((plan.seed, step)), rollouts.rewards.shape[1]
    known, found = np.nan_to_num(rollouts.rewards), list[Lesson]()
    weights = advantage.hardness(known, plan.k)
    for group in np.flatnonzero(~np.isnan(rollouts.rewards).any(1)):
        answers = rollouts.answers[group * samples : (group + 1) * samples]
        asked = rollouts.problems[group]
        if plan.tries and goal(asked.question):
            gains = credit([tried(asked, answer) for answer in answers], [len(answer) for answer in answers], plan.price)
        else:
            gains = [weights[group] * gain for gain in _by_branches(known[group], answers)]
        if not any(gain.any() for gain in gains):
            continue
        heat = plan.temperature(asked)
        for place, weight in zip(*chosen(known[group], plan.kept, rng), strict=True):
            old = rollouts.logprobs[group * samples + place]
            found.append(Lesson(rollouts.prompts[group], answers[place], old, gains[place] * weight, heat))
    return found


def _by_branches(rewards: Floats, answers: Sequence[NDArray[np.int64]]) -> list[Floats]:
    """The advantage of each token: that of its step (`advantage.by_branches`)."""
    lines = [_lines(answer) for answer in answers]
    gains = advantage.by_branches(rewards, [chain for chain, _ in lines])
    return [gain[numbers] for gain, (_, numbers) in zip(gains, lines, strict=True)]


def _lines(answer: NDArray[np.int64]) -> tuple[list[bytes], NDArray[np.int64]]:
    """The steps of an answer, and for each token the number of its step."""
    ends = np.flatnonzero(answer == FIRST_BYTE + ord("\n")) + 1
    steps = [part.tobytes() for part in np.split(answer, ends) if len(part)]
    return steps, np.searchsorted(ends, np.arange(len(answer)), side="right")


def rows(batch: Sequence[Lesson]) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.bool_]]:
    """Tokens (rows, width), padded behind; and for the token that follows each place: old log-probability, advantage, whether it is
    an answer's (rows, width - 1)."""
    width = max(len(one.prompt) + len(one.answer) for one in batch)
    tokens = np.full((len(batch), width), PAD, np.int64)
    old, gain = np.zeros((len(batch), width - 1)), np.zeros((len(batch), width - 1))
    mask = np.zeros((len(batch), width - 1), bool)
    for row, one in enumerate(batch):
        end = len(one.prompt) + len(one.answer)
        tokens[row, :end] = [*one.prompt, *one.answer]
        place = slice(len(one.prompt) - 1, end - 1)
        old[row, place], gain[row, place], mask[row, place] = one.old, one.advantage, True
    return tokens, old, gain, mask


def update(model: Any, optimizer: Any, batch: Sequence[Lesson], plan: Plan, bonus: float) -> dict[str, float]:
    """One optimizer step on a batch of lessons, computed in parts; what it was like."""
    drawn, longest = sum(len(one.answer) for one in batch), max(len(one.answer) for one in batch)
    told = dict.fromkeys(("entropy", "clipped"), 0.0)
    for part in packs(sorted(batch, key=lambda one: len(one.prompt) + len(one.answer))):
        tokens, old, gain, mask = rows(part)
        share = mask.sum() / drawn if plan.objective.average == "token" else len(part) / len(batch)
        logprob, entropy = _chances(model, part, tokens, mask)
        now = np.zeros(mask.shape)
        now[mask] = logprob.detach().numpy()
        pull = None
        if plan.objective.beta:
            pull = np.zeros(mask.shape)
            pull[mask] = np.concatenate([one.reference for one in part])
        _, slope = slopes(now, old, gain, mask, plan.objective, pull, longest)
        loss = -(torch.from_numpy(slope[mask]).float() * logprob).sum() * share - bonus * entropy.sum() / drawn
        loss.backward()
        told["entropy"] += float(entropy.detach().sum()) / drawn
        told["clipped"] += float(((slope == 0) & mask & (gain != 0)).sum()) / drawn
    told["norm"] = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
    optimizer.step()
    optimizer.zero_grad()
    return told


def _chances(model: Any, part: Sequence[Lesson], tokens: NDArray[np.int64], mask: NDArray[np.bool_]) -> tuple[Any, Any]:
    """The log-probability of each of the answers' tokens, in the order of `rows`, and the entropy there, at the lessons' heat."""
    heat = np.array([one.heat for one in part], np.float32)[:, None].repeat(mask.shape[1], 1)[mask]
    logits = model(input_ids=torch.from_numpy(tokens)).logits[:, :-1][torch.from_numpy(mask)]
    chances = torch.log_softmax(logits / torch.from_numpy(heat)[:, None], -1)
    logprob = chances.gather(1, torch.from_numpy(tokens[:, 1:][mask])[:, None])[:, 0]
    return logprob, -(chances.exp() * chances).sum(-1)


def likelihood(model: Any, batch: Sequence[Lesson]) -> list[NDArray[np.float32]]:
    """The log-probabilities of each lesson's answer by `model`, at its heat."""
    found = []
    with torch.no_grad():
        for part in packs(batch):
            tokens, _, _, mask = rows(part)
            logprob, _ = _chances(model, part, tokens, mask)
            found += apart(logprob.numpy(), part)
    return found


Numbers = TypeVar("Numbers", bound=np.floating[Any])


def apart(flat: NDArray[Numbers], batch: Sequence[Lesson]) -> list[NDArray[Numbers]]:
    """What is known of each answer's tokens, from one array for all of them."""
    return np.split(flat, np.cumsum([len(one.answer) for one in batch])[:-1])


def divergence(reference: Any, rollouts: Rollouts, plan: Plan, most: int = 24) -> float:
    """KL(policy || reference) in nats a token, estimated (`objective.k3`) on up to `most` draws, evenly over the step's."""
    picked = np.unique(np.linspace(0, len(rollouts.answers) - 1, most).astype(int))
    seen = [lesson(rollouts, plan, at) for at in picked]
    away, _ = k3(np.concatenate([one.old for one in seen]), np.concatenate(likelihood(reference, seen)))
    return float(away.mean())


def packs(batch: Sequence[Lesson]) -> Iterator[list[Lesson]]:
    """Neighbours together, of at most about `PART` tokens with their padding."""
    part: list[Lesson] = []
    for one in batch:
        if part and (len(part) + 1) * (len(one.prompt) + len(one.answer)) > PART:
            yield part
            part = []
        part.append(one)
    if part:
        yield part


Teach = Callable[[Rollouts, Plan, int], tuple[list[Lesson], dict[str, float]]]
"""What a step's draws teach, and what is worth a word in the step's line."""


def grouped(rollouts: Rollouts, plan: Plan, step: int) -> tuple[list[Lesson], dict[str, float]]:
    """GRPO's way: an answer is worth what it is beside the others of its group."""
    return lessons(rollouts, plan, step), {}


def optimizer_of(model: Any, plan: Plan) -> Any:
    return torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.95), weight_decay=0.0)


def learn(
    model: Any,
    plan: Plan,
    folder: Path,
    told: Callable[[dict[str, Any]], None] = lambda _: None,
    teach: Teach = grouped,
    parts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Train `model` in place; goes on from `folder`/checkpoint.pt if it exists. Each step is a line of `folder`/steps.jsonl.

    What `model` is at first is the reference, to which the lines tell the divergence, so give a resumed run the same. `parts` are
    what `teach` learns besides, by name: checkpoints keep them. Raises RewardHacked, with the checkpoint saved, when the plan's
    watch says stop.
    """
    torch.set_num_threads(plan.threads)
    reference = copy.deepcopy(model)
    optimizer = optimizer_of(model, plan)
    parts = {"model": model, "optimizer": optimizer, **parts}
    first, entropy = _restore(folder, parts)
    ask, lines = _asking(plan), _done(folder)
    history = [Signs(**line["signs"]) for line in lines if "signs" in line]
    for step in range(first, plan.steps):
        began = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = plan.pace(step)
        rollouts = _drawn(model, plan, step, lambda turn: ask(turn, lines))
        drawn = time.monotonic()
        taught, more = teach(rollouts, plan, step)
        random.Random(f"{plan.seed}/{step}").shuffle(taught)
        if plan.objective.beta:
            taught = [replace(one, reference=its) for one, its in zip(taught, likelihood(reference, taught), strict=True)]
        bonus = plan.bonus if entropy < plan.floor else 0.0
        stats = [
            update(model, optimizer, taught[at :: plan.updates], plan, bonus)
            for at in range(plan.updates)
            if taught[at :: plan.updates]
        ]
        entropy = stats[0]["entropy"] if stats else entropy
        history.append(_watched(rollouts, plan.watch))
        for name, sentence in plan.watch.news(history).items():
            log.warning("step %d, %s: %s", step, name, sentence)
        line = _line(step, rollouts, taught, stats) | more
        line |= {"kl": divergence(reference, rollouts, plan), "signs": asdict(history[-1])}
        line |= {"drawing": drawn - began, "seconds": time.monotonic() - began}
        lines.append(line)
        with (folder / "steps.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        told(line)
        stopped = plan.watch.stop(history, step)
        if stopped or (step + 1) % plan.keep == 0 or step + 1 == plan.steps:
            _save(folder, parts, step + 1, entropy)
        if stopped:
            raise stopped


def _watched(rollouts: Rollouts, watch: Watch) -> Signs:
    problems = [problem for problem in rollouts.problems for _ in range(rollouts.rewards.shape[1])]
    lengths = [len(answer) for answer in rollouts.answers]
    return signs(watch.batch(rollouts.texts, problems, rollouts.rewards.ravel().tolist(), lengths, rollouts.ended.tolist()))


def _asking(plan: Plan) -> Callable[[int, Sequence[Mapping[str, Any]]], list[Problem]]:
    """The problems of a round, from its number and the lines of the steps before."""
    if plan.band is None:
        problems = plan.problems()
        return lambda turn, _: problems[turn * plan.prompts : (turn + 1) * plan.prompts]
    pools, band = plan.pools(), plan.band

    def ask(turn: int, lines: Sequence[Mapping[str, Any]]) -> list[Problem]:
        parts = curriculum.shares(plan.mix, curriculum.rates([line["tasks"] for line in lines]), band)
        return curriculum.asked(pools, curriculum.counts(parts, plan.prompts), turn * plan.prompts)

    return ask


def _drawn(model: Any, plan: Plan, step: int, ask: Callable[[int], list[Problem]]) -> Rollouts:
    """The draws of a step, round by round until enough groups teach something."""
    found = list[Rollouts]()
    for turn in range(step * plan.rounds, (step + 1) * plan.rounds):
        found.append(draw(model, ask(turn), plan, plan.samples, plan.seed * 1_000_003 + turn * 1_009))
        if curriculum.enough([one.rewards for one in found], plan.prompts):
            break
    return joined(found)


def joined(rounds: Sequence[Rollouts]) -> Rollouts:
    """Rounds of draws as one."""
    first, *others = rounds
    if not others:
        return first
    rest = joined(others)
    return Rollouts(
        first.problems + rest.problems,
        first.prompts + rest.prompts,
        first.texts + rest.texts,
        first.answers + rest.answers,
        first.logprobs + rest.logprobs,
        np.concatenate([first.ended, rest.ended]),
        np.concatenate([first.rewards, rest.rewards]),
    )


def _done(folder: Path) -> list[dict[str, Any]]:
    """The lines of the steps that were done before."""
    lines = folder / "steps.jsonl"
    return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []


def _line(step: int, rollouts: Rollouts, taught: Sequence[Lesson], stats: Sequence[dict[str, float]]) -> dict[str, Any]:
    """A step in numbers: mean reward, also by task; the share of groups solved at all; lengths; what the updates were like."""
    by_task: dict[str, list[float]] = {}
    for problem, row in zip(rollouts.problems, rollouts.rewards, strict=True):
        by_task.setdefault(problem.task.name, []).append(float(np.nanmean(row)))
    means = {name: float(np.mean([one[name] for one in stats])) for name in (stats[0] if stats else ())}
    return {
        "step": step,
        "reward": float(np.nanmean(rollouts.rewards)),
        "any": float((np.nan_to_num(rollouts.rewards).max(1) > 0).mean()),
        "mixed": float(advantage.mixed(np.nan_to_num(rollouts.rewards)).mean()),
        "tokens": float(np.mean([len(answer) for answer in rollouts.answers])),
        "cut": float(1 - rollouts.ended.mean()),
        "lessons": len(taught),
        "tasks": {name: float(np.mean(values)) for name, values in sorted(by_task.items())},
        **means,
    }


def _restore(folder: Path, parts: Mapping[str, Any]) -> tuple[int, float]:
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, lines = folder / "checkpoint.pt", folder / "steps.jsonl"
    if not checkpoint.exists():
        lines.unlink(missing_ok=True)
        return 0, float("inf")
    saved = torch.load(checkpoint, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    if lines.exists():  # what was done behind the checkpoint is done again
        lines.write_text("".join(lines.read_text().splitlines(keepends=True)[: saved["step"]]))
    return int(saved["step"]), float(saved["entropy"])


def _save(folder: Path, parts: Mapping[str, Any], step: int, entropy: float) -> None:
    """Written beside and moved into place: a kill leaves the old checkpoint or the new one."""
    draft = folder / "checkpoint.part"
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save(states | {"step": step, "entropy": entropy}, draft)
    draft.replace(folder / "checkpoint.pt")
