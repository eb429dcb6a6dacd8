"""The search tree of every tree strategy: parallel lists with one entry a node, and functions that select, expand and back up.

A node is an index and 0 is the root; what a node stands for (a path, an answer) its strategy keeps in a list of its own. Values
lie in [0, 1]. Lists, and not NumPy arrays: a rule reads a few children one by one, which costs a list the least.

A simulation is `select`, `hold`, then the node's draws and judgement, then `release` and `back_up`. What is held counts as visits
of value 0 on the way down (a virtual loss), so that simulations which run at once spread over the tree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, inf, log, sqrt


@dataclass(slots=True)
class Tree:
    """By node: `parent`, `children`, `visits` (N), `value` (W, the sum of what was backed up), `drawn` and `held`.

    N(root) is the number of simulations backed up; N of any node is the sum of its children's N and the simulations that ended at
    it. `drawn` is how often the node's step was drawn from its parent: children are samples of the model, so their shares of the
    draws are their prior (Hubert et al. 2021), and `draws` is the sum over a node's children. `likelihood` is a prior that the
    model gives, or None.
    """

    parent: list[int] = field(default_factory=lambda: [-1])
    children: list[list[int]] = field(default_factory=lambda: [[]])
    visits: list[int] = field(default_factory=lambda: [0])
    value: list[float] = field(default_factory=lambda: [0.0])
    drawn: list[int] = field(default_factory=lambda: [1])
    draws: list[int] = field(default_factory=lambda: [0])
    likelihood: list[float | None] = field(default_factory=lambda: [None])
    held: list[int] = field(default_factory=lambda: [0])

    def __len__(self) -> int:
        return len(self.parent)


Rule = Callable[[Tree, int], float]
"""What selection maximises: the worth of visiting a child now."""


def expand(tree: Tree, node: int, likelihood: float | None = None) -> int:
    """Give `node` one more child, drawn once, and return it."""
    child = len(tree)
    tree.children[node].append(child)
    tree.draws[node] += 1
    tree.parent.append(node)
    tree.children.append([])
    tree.visits.append(0)
    tree.value.append(0.0)
    tree.drawn.append(1)
    tree.draws.append(0)
    tree.likelihood.append(likelihood)
    tree.held.append(0)
    return child


def redraw(tree: Tree, child: int) -> int:
    """The same step was drawn again: `child`, with more of the prior."""
    tree.drawn[child] += 1
    tree.draws[tree.parent[child]] += 1
    return child


def select(tree: Tree, rule: Rule, grows: Callable[[int], bool]) -> int:
    """From the root to the best child by `rule`, and on, down to a node that `grows` or has no children.

    Ties go to the earliest child. Costs depth × branching.
    """
    node = 0
    while tree.children[node] and not grows(node):
        node = max(tree.children[node], key=lambda child: rule(tree, child))
    return node


def lineage(tree: Tree, node: int) -> Iterator[int]:
    """`node` and its ancestors, the root last."""
    while node >= 0:
        yield node
        node = tree.parent[node]


def hold(tree: Tree, node: int) -> None:
    """A simulation goes through `node` and its ancestors: until `release`, each counts one more visit of value 0."""
    for one in lineage(tree, node):
        tree.held[one] += 1


def release(tree: Tree, node: int) -> None:
    """Undo one `hold`."""
    for one in lineage(tree, node):
        tree.held[one] -= 1


def back_up(tree: Tree, node: int, value: float) -> None:
    """Add one visit and its `value` to `node` and to each ancestor, once."""
    for one in lineage(tree, node):
        tree.visits[one] += 1
        tree.value[one] += value


def back_up_best(tree: Tree, node: int, reward: Callable[[int], float | None]) -> None:
    """One visit for `node` and for each ancestor, whose Q is the best mean reward of a way on from it (RAP, Hao et al. 2023).

    Q(s) = max over the nodes d backed up at or below s of the mean `reward` from s to d; nodes without one do not count.
    """
    total, count = 0.0, 0
    for one in lineage(tree, node):
        if (known := reward(one)) is not None:
            total, count = total + known, count + 1
        best = max(tree.value[one] / tree.visits[one] if tree.visits[one] else 0.0, total / max(1, count))
        tree.visits[one] += 1
        tree.value[one] = best * tree.visits[one]


def quality(tree: Tree, node: int) -> float:
    """Q = W / N with what is held counted as lost; for a node never visited its parent's Q, and for an unvisited root 0."""
    while not (visits := tree.visits[node] + tree.held[node]) and node:
        node = tree.parent[node]
    return tree.value[node] / visits if visits else 0.0


def uct(tree: Tree, child: int, c: float = sqrt(2)) -> float:
    """Q + c sqrt(ln N(parent) / N), and infinity for what was never visited (Kocsis & Szepesvári 2006)."""
    parent, visits = tree.parent[child], tree.visits[child] + tree.held[child]
    if not visits:
        return inf
    return tree.value[child] / visits + c * sqrt(log(tree.visits[parent] + tree.held[parent]) / visits)


def puct(tree: Tree, child: int, c: float = 1.25) -> float:
    """Q + c P sqrt(N(parent)) / (1 + N), with the prior P in the exploration alone (Rosin 2011; Silver et al. 2017)."""
    parent, visits = tree.parent[child], tree.visits[child] + tree.held[child]
    likelihood = tree.likelihood[child]
    prior = tree.drawn[child] / tree.draws[parent] if likelihood is None else likelihood
    return quality(tree, child) + c * prior * sqrt(tree.visits[parent] + tree.held[parent]) / (1 + visits)


def room(visits: int, width: float, widening: float = 0.0) -> int:
    """How many children a node may have: width × N^widening, at least 1 (progressive widening, Coulom 2007; 0: always `width`)."""
    children: float = width * max(1, visits) ** widening
    return max(1, ceil(children))
