"""How often 95 % intervals hold the truth, for every estimator: writes the tables of docs/intervals.md.

python runs/coverage.py

The methods and their constants were chosen on the first grid; the second has other sizes, other rates and other seeds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import betabinom

from ponder.lab.intervals import interval, paired_interval, ratio_interval
from ponder.lab.statistics import best_of_k, majority_at_k, pass_at_k

PAGE = Path(__file__).parent.parent / "docs" / "intervals.md"
MARK = "<!-- made by runs/coverage.py -->"
RUNS, BLOCKS = 1_000, 5  # simulated at once, and how often: 5,000 sets a cell have a standard error of .3 points
SAMPLES, K = 8, 4

Made = tuple[np.ndarray, np.ndarray, float]  # low, high (runs,), truth
Simulation = Callable[[np.random.Generator, int, float], Made]


@dataclass(frozen=True)
class Grid:
    """Sizes of sets and mean rates."""

    name: str
    seed: int
    sizes: tuple[int, ...]
    means: tuple[float, ...]


GRIDS = (
    Grid("First grid", 0, (30, 100, 200, 500), (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)),
    Grid("Held-out grid", 1, (40, 70, 140, 350), (0.06, 0.14, 0.25, 0.4, 0.6, 0.75, 0.86, 0.94)),
)


def rates(generator: np.random.Generator, problems: int, mean: float) -> np.ndarray:
    """Rates of unlike problems: Beta with the heavy tails of real benchmarks."""
    return generator.beta(mean, 1 - mean, (problems, RUNS))


def law(mean: float) -> np.ndarray:
    """Probabilities of 0 to 8 right samples under Beta(mean, 1 - mean)."""
    return np.asarray(betabinom.pmf(np.arange(SAMPLES + 1), SAMPLES, mean, 1 - mean))


def hits(generator: np.random.Generator, problems: int, mean: float) -> np.ndarray:
    """How many of 8 samples are right, of problems with such rates."""
    return np.searchsorted(np.cumsum(law(mean))[:-1], generator.random((problems, RUNS)))


def one_sample(generator: np.random.Generator, problems: int, mean: float) -> Made:
    right = (generator.random((problems, RUNS)) < mean).astype(float)
    return *interval(right), mean


def few_samples(generator: np.random.Generator, problems: int, mean: float) -> Made:
    return *interval(hits(generator, problems, mean) / SAMPLES), mean


def coverage(generator: np.random.Generator, problems: int, mean: float) -> Made:
    table = pass_at_k(SAMPLES, np.arange(SAMPLES + 1), [K])[:, 0]
    return *interval(table[hits(generator, problems, mean)]), float(law(mean) @ table)


def majority(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """Two answers: what the vote of 4 of 8 gives for each number of right ones, and its mean over the Beta-binomial law of that."""
    patterns = np.tril(np.ones((SAMPLES + 1, SAMPLES)), -1)
    table = majority_at_k(1 - patterns, patterns, [K], draws=10_000)[0][:, 0]
    return *interval(table[hits(generator, problems, mean)]), float(law(mean) @ table)


def best(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """A noisy score of 8 samples: sets drawn from 400,000 problems, whose mean is the truth."""
    values = picked(mean)
    return *interval(generator.choice(values, (problems, RUNS))), float(values.mean())


@cache
def picked(mean: float) -> np.ndarray:
    """What best-of-4 of 8 is right for each of 400,000 problems."""
    generator = np.random.default_rng(99)
    right = generator.random((400_000, SAMPLES)) < generator.beta(mean, 1 - mean, (400_000, 1))
    return best_of_k(right + generator.standard_normal(right.shape), right, [K])[:, 0]


def clustered(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """Right and wrong answers in clusters of about 5 problems, with an intra-class correlation of .5."""
    sizes = generator.integers(1, 10, problems)
    labels = np.repeat(np.arange(problems), sizes)[:problems]
    common = rates(generator, int(labels.max()) + 1, mean)[labels]
    return *interval((generator.random(common.shape) < common).astype(float), clusters=labels), mean


def difference(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """Two methods, 8 samples each; the second is worse by a fifth everywhere."""
    chance = rates(generator, problems, mean)
    first, second = (generator.binomial(SAMPLES, each) / SAMPLES for each in (chance, 0.8 * chance))
    return *paired_interval(first, second), 0.2 * mean


def verdicts(generator: np.random.Generator, problems: int, mean: float, second: float = 0.8) -> Made:
    """One verdict of each method a problem; the second is right so many times as often, everywhere."""
    chance = rates(generator, problems, mean)
    one, other = ((generator.random(chance.shape) < each).astype(float) for each in (chance, second * chance))
    return *paired_interval(one, other), (1 - second) * mean


def equals(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """One verdict of each of two methods that are equally good."""
    return verdicts(generator, problems, mean, 1.0)


def ratio(generator: np.random.Generator, problems: int, mean: float) -> Made:
    chance = rates(generator, problems, mean)
    first, second = (generator.binomial(SAMPLES, each) / SAMPLES for each in (0.8 * chance, chance))
    return *ratio_interval(first, second), 0.8


SIMULATIONS: dict[str, Simulation] = {
    "pass@1, one sample": one_sample,
    "pass@1, 8 samples": few_samples,
    "pass@4 of 8": coverage,
    "majority@4 of 8": majority,
    "best-of-4 of 8": best,
    "clusters, ICC .5": clustered,
    "difference, 8 samples": difference,
    "difference, one sample": verdicts,
    "no difference, one sample": equals,
    "ratio": ratio,
}


def held(simulate: Simulation, grid: Grid, problems: int, mean: float) -> float:
    """Per cent of the limits that hold the truth; each block has its own seed, and so have its clusters' sizes."""
    inside = []
    for block in range(BLOCKS):
        low, high, truth = simulate(np.random.default_rng([grid.seed, problems, round(100 * mean), block]), problems, mean)
        inside.append((low <= truth + 1e-12) & (truth <= high + 1e-12))
    return 100 * float(np.mean(inside))


def measured(grid: Grid, simulate: Simulation) -> dict[int, list[float]]:
    """Coverages by size, for each mean rate."""
    return {problems: [held(simulate, grid, problems, mean) for mean in grid.means] for problems in grid.sizes}


def rows(grid: Grid, found: Mapping[str, Mapping[int, list[float]]]) -> Iterator[str]:
    yield "| estimator | problems | " + " | ".join(f"p = {mean}" for mean in grid.means) + " |"
    yield "|---|---|" + "---|" * len(grid.means)
    for name, sizes in found.items():
        for problems, shares in sizes.items():
            yield f"| {name} | {problems} | {' | '.join(map(cell, shares))} |"


def cell(share: float) -> str:
    return f"{share:.1f}" if 93 <= share <= 97 else f"**{share:.1f}**"


def whole(found: Mapping[str, Mapping[str, Mapping[int, list[float]]]]) -> Iterator[str]:
    """Each estimator over all cells of each grid."""
    yield "| estimator | " + " | ".join(f"{name}: all | cells inside" for name in found) + " |"
    yield "|---|" + "---|" * 2 * len(found)
    for name in SIMULATIONS:
        cells = list[str]()
        for measures in found.values():
            shares = [share for sizes in measures[name].values() for share in sizes]
            cells += [cell(float(np.mean(shares))), f"{sum(93 <= share <= 97 for share in shares)} of {len(shares)}"]
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    found: dict[str, dict[str, dict[int, list[float]]]] = {grid.name: {} for grid in GRIDS}
    for grid in GRIDS:
        for name, simulate in SIMULATIONS.items():
            found[grid.name][name] = measured(grid, simulate)
            print(grid.name, name, found[grid.name][name], flush=True)
    tables = [f"### {grid.name}\n\n" + "\n".join(rows(grid, found[grid.name])) for grid in GRIDS]
    head, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text("\n\n".join([head + MARK, "\n".join(whole(found)), *tables]) + "\n")
