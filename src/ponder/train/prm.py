"""Train a process reward model of builtin size: `ponder train prm LABELS FOLDER`.

A process reward model that is a language model: behind each step stands a mark, ` +`, and what the model would have put there, ` +`
or ` -`, is its judgement. The marks before are always ` +`, so that a longer chain goes on from a shorter one. Where the question
ends with a goal, the model thinks before it judges: it goes on from the step as a solution could, and judges with the end in sight.

    countdown 3 7 8 8 to 24
    8-7=1 left 3 8 1 24 +
    8*3=24 left 1 24 24 24*1=24             the step, the goal again, how it could go on,
    24-24=0 +                               how far that ends from the goal, the mark

The solutions of a problem share their beginnings. They are learnt from as one tree: a token sees those of its own chain only, so a
shared beginning is computed once, and what comes behind it is what is thought there. A thought that ends right is learnt as it is,
of another one only what it computes.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ponder.tasks import countdown
from ponder.train.data import BOS, PAD, encode
from ponder.train.grpo import Plan, draw
from ponder.train.loop import Recipe, Told, ship, train, untold
from ponder.train.rollouts import Chain, Labelled, cut, exact, labelled, problems, whole
from ponder.train.tries import computed, goal, measured
from ponder.types import Problem
from ponder.verifiers.prm import BAD, GOOD, unmarked

import torch  # isort: skip - behind the loop, whose error names the extra

RECIPE = Recipe(steps=2400, warmup=120, peak=6e-4)
SHORTEST = 64
"""Tokens that are left of a row are filled while there are so many."""
SOLUTIONS, DRAWN, WALKS = 8, 128, 6
"""Draws of a problem, problems that are drawn together, and walks over the same numbers."""


class Tree(NamedTuple):
    """Chains of one question: `tokens` (n,); `labels` (n,), at each mark the value of its step, NaN elsewhere; `told` (n,), which
    tokens of thoughts are learnt; `places` (n,), each token's in its chain; and which tokens it has `seen` (n, n)."""

    tokens: NDArray[np.int64]
    labels: NDArray[np.float32]
    told: NDArray[np.bool_]
    places: NDArray[np.int64]
    seen: NDArray[np.bool_]


@dataclass
class _Growing:
    """A tree's tokens by their branches: each branch is a piece of text, and knows those that it stands behind."""

    tokens: list[int]
    labels: list[float]
    told: list[bool]
    places: list[int]
    owners: list[int]
    paths: list[list[int]]

    def branch(
        self, behind: int, start: int, text: Sequence[int], told: Sequence[bool], label: float = math.nan
    ) -> tuple[int, int]:
        """Text behind another branch, from place `start` on, the last of its tokens labelled; its number, and where it ends."""
        number = len(self.paths)
        self.paths.append([*self.paths[behind], number])
        self.tokens += text
        self.labels += [math.nan] * (len(text) - 1) + [label]
        self.told += told
        self.places += range(start, start + len(text))
        self.owners += [number] * len(text)
        return number, start + len(text)

    def grown(self) -> Tree:
        above_or_self = np.zeros((len(self.paths), len(self.paths)), bool)
        for branch, path in enumerate(self.paths):
            above_or_self[branch, path] = True
        seen = np.tril(above_or_self[np.ix_(self.owners, self.owners)])
        return Tree(np.array(self.tokens), np.array(self.labels, np.float32), np.array(self.told), np.array(self.places), seen)


def tree(question: str, chains: Sequence[Chain], room: int) -> Tree | None:
    """The chains in their order, as many as fit into `room` tokens; None if not one does. At each beginning the first chain that
    has it is thought of."""
    asked = [BOS, *encode(question + "\n")]
    begin = len(asked)
    growing = _Growing(list(asked), [math.nan] * begin, [False] * begin, list(range(begin)), [0] * begin, [[0]])
    # of each beginning, its last branch, and where that ends in its chain
    ends: dict[tuple[str, ...], tuple[int, int]] = {(): (0, begin)}
    for chain in chains:
        fresh = [size for size in range(1, len(chain.steps) + 1) if chain.steps[:size] not in ends]
        written = {size: (encode(unmarked(question, chain.steps[size - 1])), *thought(question, chain, size)) for size in fresh}
        if len(growing.tokens) + sum(len(step) + len(text) + 2 for step, text, _ in written.values()) > room:
            break
        for size, (step, text, told) in written.items():
            behind, start = ends[chain.steps[: size - 1]]
            branch, end = growing.branch(behind, start, step, [False] * len(step))
            growing.branch(branch, end, text, told, _number(chain.values[size - 1]))
            ends[chain.steps[:size]] = growing.branch(branch, end, encode(f"{GOOD}\n"), [False] * 2)
    return growing.grown() if len(ends) > 1 else None


def thought(question: str, chain: Chain, size: int) -> tuple[list[int], list[bool]]:
    """How the chain goes on behind so many steps, how far it ends from the goal, and the mark; and which of its tokens are learnt,
    of which the mark is none."""
    if goal(question) is None:
        return encode(GOOD), [False]
    rest = "".join(f"{step}\n" for step in chain.steps[size:])
    told = [chain.values[-1] == 1.0] * len(encode(rest))
    for start, end, _ in computed(rest) if rest.isascii() else ():
        told[start:end] = [True] * (end - start)
    away = encode(f"{measured(question, chain.steps[-1])} ")
    return [*encode(rest), *away, *encode(GOOD)], [*told, *[True] * len(away), False]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def hindsight(one: Labelled, rng: random.Random) -> Labelled:
    """The same solutions, asked for a number that one of them reached instead (hindsight relabelling, Andrychowicz et al. 2017).

    Right ends are rare, and without these the model is slow to compare an end with its target. All steps are labelled anew,
    exactly. Half of the solutions that end elsewhere are made to claim the target falsely, which is `builtin:mini`'s commonest
    mistake. As they are, if none reached another target that is a problem of the training split.
    """
    puzzle = countdown.puzzle(one.question)
    ends = {chain.steps[-1].rpartition("=")[2] for chain in one.chains}
    if puzzle is None:
        return one
    numbers, target = puzzle
    reached = {int(end) for end in ends if end.isdecimal()} - {target}
    allowed = [end for end in sorted(reached) if end <= countdown.LARGEST_TARGET and countdown.split_of(numbers, end) == "train"]
    if not allowed:
        return one
    asked = countdown.problem(countdown.countdown_mixed, numbers, rng.choice(allowed))
    chains = [exact(asked, chain) for chain in one.chains]
    wrong = {number for number, chain in enumerate(chains) if chain.values[-1] == 0 and rng.random() < 0.5}
    return Labelled(asked.question, tuple(_claimed(one, asked) if at in wrong else one for at, one in enumerate(chains)))


def _claimed(chain: Chain, asked: Problem) -> Chain:
    """The chain with a last step that says it has reached the target."""
    last = f"{chain.steps[-1].partition('=')[0]}={asked.data['target']}"
    return exact(asked, Chain((*chain.steps[:-1], last), chain.values))


def walked(rng: random.Random) -> Labelled:
    """Random walks over random numbers, as the generator of problems takes them, asked for what one of them reached.

    Half of the walks turn off from an earlier one. They cost nothing, and teach what numbers can reach; `builtin:mini`'s own
    solutions teach what its mistakes are like.
    """
    while True:
        numbers = [rng.randint(1, countdown.LARGEST_NUMBER) for _ in range(rng.choices((3, 4, 5), weights=(2, 5, 3))[0])]
        walks = [countdown.walk(rng, numbers)]
        while len(walks) < WALKS:
            turn = rng.choice(walks)
            begun = turn[: rng.randrange(len(turn))] if rng.random() < 0.5 else []
            walks.append([*begun, *countdown.walk(rng, begun[-1][1] if begun else numbers)])
        written = dict.fromkeys(tuple(line for line, _ in walk) for walk in walks)
        unasked = Labelled(countdown.question(numbers, 0), tuple(Chain(steps, (None,) * len(steps)) for steps in written))
        if (found := hindsight(unasked, rng)) is not unasked:
            return found


def batch(found: Sequence[Labelled], seed: int, step: int, rows: int, width: int) -> Tree:
    """Rows of trees: tokens, labels, what is told and places (rows, width), what is seen (rows, width, width). Of four trees one is
    of `found` as it is, one its hindsight, and two are walks.

    A function of seed and step, so a resumed run sees the same.
    """
    rng = random.Random(f"{seed}/{step}")
    tokens, labels = np.full((rows, width), PAD, np.int64), np.full((rows, width), math.nan, np.float32)
    told, places, seen = np.zeros((rows, width), bool), np.zeros((rows, width), np.int64), np.zeros((rows, width, width), bool)
    seen[:, range(width), range(width)] = True  # padding sees itself: no softmax of nothing
    for row in range(rows):
        filled = 0
        while width - filled >= SHORTEST and (one := _grown(rng, found, width - filled)):
            place = slice(filled, filled + len(one.tokens))
            tokens[row, place], labels[row, place], told[row, place], places[row, place], seen[row, place, place] = one
            filled = place.stop
    return Tree(tokens, labels, told, places, seen)


def _grown(rng: random.Random, found: Sequence[Labelled], room: int) -> Tree | None:
    """A tree at random, its chains in a random order; the first that fits, of a few."""
    for _ in range(4):
        one = walked(rng) if rng.random() < 0.5 else rng.choice(found)
        one = hindsight(one, rng) if rng.random() < 0.5 else one
        if grown := tree(one.question, rng.sample(one.chains, len(one.chains)), room):
            return grown
    return None


def judgement(model: Any, trees: Tree) -> Iterator[Any]:
    """The mean cross-entropy in nats between the values and what the model gives ` +` and ` -`, and that of the thoughts; of trees
    in rows, each row's part of it by itself."""
    good, bad = encode(GOOD)[0], encode(BAD)[0]
    marks, thoughts = max(1, int((~np.isnan(trees.labels)).sum())), max(1, int(trees.told.sum()))
    for tokens, labels, told, places, seen in zip(*map(torch.from_numpy, trees), strict=True):
        logits = model(input_ids=tokens[None], position_ids=places[None], attention_mask=seen[None, None]).logits[0, :-1]
        at = ~torch.isnan(labels)
        chances, values = torch.log_softmax(logits[at[1:]], -1), labels[at]
        judging = -(values * chances[:, good] + (1 - values) * chances[:, bad]).sum()
        thinking = torch.nn.functional.cross_entropy(logits[told[1:]], tokens[told], reduction="sum")
        yield judging / marks + thinking / thoughts


def drawn(model: Any, asked: Sequence[Problem], solutions: int, seed: int) -> Iterator[Labelled]:
    """Each problem with distinct solutions of its own draws, their steps labelled exactly, or by their shares where no task can."""
    for at in range(0, len(asked), DRAWN):
        found = draw(model, asked[at : at + DRAWN], Plan(), solutions, seed + at)
        right = found.rewards.ravel() == 1
        for number, problem in enumerate(found.problems):
            own = slice(number * solutions, (number + 1) * solutions)
            pairs = [(cut(problem, text), bool(good)) for text, good in zip(found.texts[own], right[own], strict=True)]
            yield Labelled(problem.question, tuple(exact(problem, chain) for chain in labelled(pairs)))


def extend(path: Path, model: Any, count: int, solutions: int, seed: int, told: Told = untold) -> None:
    """Append to the file of labels what is missing of `count` problems: killed, the same command goes on."""
    done = whole(path) // DRAWN * DRAWN  # a batch of draws is made whole, or again
    kept = path.read_bytes().splitlines(keepends=True)[:done] if done else []
    path.write_bytes(b"".join(kept))
    with path.open("ab") as file:
        for one in drawn(model, problems(count, seed)[done:], solutions, seed + done):
            file.write(msgspec.json.encode(one) + b"\n")
            told()


def read(path: Path) -> list[Labelled]:
    """The problems of a file of labels that have a chain at all."""
    with path.open("rb") as file:
        return [one for one in map(msgspec.json.Decoder(Labelled).decode, file) if one.chains]


def fit(model: Any, found: Sequence[Labelled], recipe: Recipe, folder: Path, told: Told = untold) -> Path:
    """Train `model` in place on the labels, and write it as mini-prm.gguf; goes on from `folder`/checkpoint.pt."""
    folder.mkdir(parents=True, exist_ok=True)

    def loss(model: Any, step: int) -> Iterator[Any]:
        return judgement(model, batch(found, recipe.seed, step, recipe.rows, recipe.width))

    train(model, loss, recipe, folder / "checkpoint.pt", told)
    return ship(model, "mini-prm", folder)
