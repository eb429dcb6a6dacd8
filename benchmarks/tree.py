"""What a step of tree search costs without the model: against treequest, and whether it stays flat to 10,000 nodes.

A step is a selection, one new node with a random score, and its backing up. The claims: at 300 steps at least 20 x faster than
treequest's default step, which copies the tree; and up to 10,000 nodes no step that grows with the tree. How many posteriors a
step of AB-MCTS evaluates is counted, which a busy machine does not change. treequest is no dependency: without it the comparison is
left out.

    pip install treequest && python benchmarks/tree.py [--rounds 3] [--steps 300] [--nodes 10000]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from ponder.strategies.ab_mcts import Adaptive, aggregated
from ponder.thompson import Moments, Posterior, beta, gaussian
from ponder.tree import Tree, back_up, expand, select, uct

WIDTH = 4


class Plain:
    """MCTS with `WIDTH` children a node, grown like `Adaptive`."""

    def __init__(self) -> None:
        self.tree = Tree()

    def choose(self) -> int:
        return select(self.tree, partial(uct, c=1.0), lambda node: len(self.tree.children[node]) < WIDTH)

    def add(self, parent: int, score: float) -> int:
        child = expand(self.tree, parent)
        back_up(self.tree, child, score)
        return child


@dataclass
class Counted:
    """A posterior that counts its evaluations."""

    posterior: Posterior
    calls: int = 0

    def __call__(self, seen: Moments, tail: float) -> float:
        self.calls += 1
        return self.posterior(seen, tail)


OURS: dict[str, Callable[[], Plain | Adaptive]] = {
    "ab-mcts gaussian": lambda: Adaptive(aggregated(gaussian()), Random(0)),
    "ab-mcts beta": lambda: Adaptive(aggregated(beta()), Random(0)),
    "mcts uct": Plain,
}


def grow(search: Plain | Adaptive, steps: int, rng: Random) -> float:
    """Seconds that so many steps take."""
    began = time.perf_counter()
    for _ in range(steps):
        search.add(search.choose(), rng.random())
    return time.perf_counter() - began


def theirs(kind: str, steps: int, in_place: bool) -> float:
    import treequest  # type: ignore[import-not-found]

    algorithm = {
        "ab-mcts gaussian": partial(treequest.ABMCTSA, dist_type="gaussian"),
        "ab-mcts beta": partial(treequest.ABMCTSA, dist_type="beta"),
        "mcts uct": partial(treequest.StandardMCTS, samples_per_action=WIDTH, exploration_weight=1.0),
    }[kind]()
    rng, state = Random(0), algorithm.init_tree()
    began = time.perf_counter()
    for _ in range(steps):
        state = algorithm.step(state, {"draw": lambda _: ("text", rng.random())}, inplace=in_place)
    return time.perf_counter() - began


def compare(rounds: int, steps: int) -> None:
    print(f"{steps} steps: milliseconds, medians of {rounds} rounds that take turns")
    print(f"{'':18}{'ponder':>10}{'treequest':>12}{'ratio':>8}{'in place':>12}{'ratio':>8}")
    for kind, make in OURS.items():
        taken: list[tuple[float, float, float]] = []
        for turn in range(rounds):
            taken.append((grow(make(), steps, Random(turn)), theirs(kind, steps, False), theirs(kind, steps, True)))
        own, default, in_place = (1000 * statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{kind:18}{own:10.1f}{default:12.1f}{default / own:8.0f}{in_place:12.1f}{in_place / own:8.0f}")


def flatness(nodes: int, seed: int) -> None:
    print(f"\nby tenths of {nodes} nodes: microseconds a step, and posteriors evaluated")
    for kind, posterior in (("gaussian", Counted(gaussian())), ("beta", Counted(beta())), ("mcts uct", None)):
        search: Plain | Adaptive = Plain() if posterior is None else Adaptive(aggregated(posterior), Random(seed))
        rng, line = Random(seed + 1), f"{kind:10}"
        for _ in range(10):
            before = posterior.calls if posterior else 0
            seconds = grow(search, nodes // 10, rng)
            line += f"{seconds / (nodes // 10) * 1e6:7.0f}" + (
                f" {(posterior.calls - before) / (nodes // 10):3.0f}" if posterior else ""
            )
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--nodes", type=int, default=10_000)
    given = parser.parse_args()
    if importlib.util.find_spec("treequest"):
        compare(given.rounds, given.steps)
    else:
        print("treequest is not installed, so there is nothing to compare with: pip install treequest")
    for seed in range(given.rounds):
        flatness(given.nodes, seed)


if __name__ == "__main__":
    main()
