"""Train a process reward model of builtin size: `ponder train prm LABELS FOLDER`.

A process reward model that is a language model: behind each step stands a mark, ` +`, and what the model would have put there, ` +`
or ` -`, is its judgement. The marks before are always ` +`, so that a chain is judged in one pass and a longer one goes on from it.

The solutions of a problem share their beginnings. They are learnt from as one tree: a token sees those of its own chain only, so a
shared beginning is computed, and its label counted, once.
"""

import math
import random
import sys
from collections.abc import Iterator, Sequence
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
from ponder.types import Problem
from ponder.verifiers.prm import BAD, GOOD, marked

import torch  # isort: skip - behind the loop, whose error names the extra

RECIPE = Recipe(steps=4000, peak=6e-4)
SHORTEST = 64
"""Tokens that are left of a row are filled while there are so many."""
SOLUTIONS, DRAWN, WALKS = 8, 128, 6
"""Draws of a problem, problems that are drawn together, and walks over the same numbers."""


class Tree(NamedTuple):
    """Chains of one question: `tokens` (n,); `labels` (n,), at each mark the value of its step, NaN elsewhere; `places` (n,), each
    token's in its chain; and which tokens it has `seen` (n, n)."""

    tokens: NDArray[np.int64]
    labels: NDArray[np.float32]
    places: NDArray[np.int64]
    seen: NDArray[np.bool_]


def tree(question: str, chains: Sequence[Chain], room: int) -> Tree | None:
    """The chains in their order, as many as fit into `room` tokens; None if not one does."""
    tokens, labels = [BOS, *encode(question + "\n")], [math.nan] * (len(question.encode()) + 2)
    places, owners, paths = list(range(len(tokens))), [0] * len(tokens), [[0]]
    nodes: dict[tuple[str, ...], tuple[int, int]] = {(): (0, len(tokens))}  # a beginning's node, and where it ends in its chain
    for chain in chains:
        fresh = [size for size in range(1, len(chain.steps) + 1) if chain.steps[:size] not in nodes]
        written = {size: encode(marked(question, chain.steps[size - 1 : size])) for size in fresh}
        if len(tokens) + sum(map(len, written.values())) > room:
            break
        for size, text in written.items():
            above, start = nodes[chain.steps[: size - 1]]
            nodes[chain.steps[:size]] = len(paths), start + len(text)
            places += range(start, start + len(text))
            owners += [len(paths)] * len(text)
            labels += [math.nan] * len(text)
            labels[-2] = _number(chain.values[size - 1])  # the line ends with the mark and a line end
            tokens += text
            paths.append([*paths[above], len(paths)])
    if len(nodes) == 1:
        return None
    above_or_self = np.zeros((len(paths), len(paths)), bool)
    for node, path in enumerate(paths):
        above_or_self[node, path] = True
    seen = np.tril(above_or_self[np.ix_(owners, owners)])
    return Tree(np.array(tokens), np.array(labels, np.float32), np.array(places), seen)


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
    """Rows of trees: tokens, labels and places (rows, width), what is seen (rows, width, width). Of four trees one is of `found` as
    it is, one its hindsight, and two are walks.

    A function of seed and step, so a resumed run sees the same.
    """
    rng = random.Random(f"{seed}/{step}")
    tokens, labels = np.full((rows, width), PAD, np.int64), np.full((rows, width), math.nan, np.float32)
    places, seen = np.zeros((rows, width), np.int64), np.zeros((rows, width, width), bool)
    seen[:, range(width), range(width)] = True  # padding sees itself: no softmax of nothing
    for row in range(rows):
        filled = 0
        while width - filled >= SHORTEST and (one := _grown(rng, found, width - filled)):
            place = slice(filled, filled + len(one.tokens))
            tokens[row, place], labels[row, place], places[row, place], seen[row, place, place] = one
            filled = place.stop
    return Tree(tokens, labels, places, seen)


def _grown(rng: random.Random, found: Sequence[Labelled], room: int) -> Tree | None:
    """A tree at random, its chains in a random order; the first that fits, of a few."""
    for _ in range(4):
        one = walked(rng) if rng.random() < 0.5 else rng.choice(found)
        one = hindsight(one, rng) if rng.random() < 0.5 else one
        if grown := tree(one.question, rng.sample(one.chains, len(one.chains)), room):
            return grown
    return None


def judgement(model: Any, trees: Tree) -> Any:
    """The mean cross-entropy in nats between the values and what the model gives ` +` and ` -`; of trees in rows."""
    good, bad = encode(GOOD)[0], encode(BAD)[0]
    tokens, labels, places, seen = map(torch.from_numpy, trees)
    at = ~torch.isnan(labels)
    logits = model(input_ids=tokens, position_ids=places, attention_mask=seen[:, None]).logits[:, :-1][at[:, 1:]]
    chances = torch.log_softmax(logits, -1)
    values = labels[at]
    return -(values * chances[:, good] + (1 - values) * chances[:, bad]).mean()


def judged(model: Any, question: str, chains: Sequence[Chain]) -> dict[tuple[str, ...], float]:
    """What the model gives each beginning of the chains: the chance of ` +` against ` -` behind its last step, in one pass."""
    grown = tree(question, [Chain(chain.steps, (0.0,) * len(chain.steps)) for chain in chains], room=sys.maxsize)
    if grown is None:
        return {}
    tokens, labels, places, seen = (torch.from_numpy(one)[None] for one in grown)
    with torch.no_grad():
        logits = model(input_ids=tokens, position_ids=places, attention_mask=seen[:, None]).logits[0, :-1]
    good, bad = encode(GOOD)[0], encode(BAD)[0]
    values = (logits[:, good] - logits[:, bad])[~torch.isnan(labels[0, 1:])].sigmoid().tolist()
    begun = dict.fromkeys(chain.steps[:size] for chain in chains for size in range(1, len(chain.steps) + 1))
    return dict(zip(begun, values, strict=True))  # a tree grows chain by chain, so its marks stand in this order


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

    def loss(model: Any, step: int) -> Any:
        return judgement(model, batch(found, recipe.seed, step, recipe.rows, recipe.width))

    train(model, loss, recipe, folder / "checkpoint.pt", told)
    return ship(model, "mini-prm", folder)
