"""How often 95 % intervals hold the truth, for every estimator: writes the table of docs/intervals.md.

python runs/coverage.py
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import betaln

from ponder.lab.intervals import interval, paired_interval, ratio_interval
from ponder.lab.statistics import best_of_k, majority_at_k, pass_at_k

PAGE = Path(__file__).parent.parent / "docs" / "intervals.md"
MARK = "<!-- made by runs/coverage.py -->"
RUNS = 2_000
SIZES = (30, 100, 200, 500)
MEANS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)
SAMPLES, K = 8, 4

Made = tuple[np.ndarray, np.ndarray, float]  # low, high (runs,), truth
Simulation = Callable[[np.random.Generator, int, float], Made]


def rates(generator: np.random.Generator, problems: int, mean: float, weight: float = 1.0) -> np.ndarray:
    """Rates of unlike problems: Beta with the heavy tails of real benchmarks."""
    return generator.beta(weight * mean, weight * (1 - mean), (problems, RUNS))


def one_sample(generator: np.random.Generator, problems: int, mean: float) -> Made:
    right = (generator.random((problems, RUNS)) < mean).astype(float)
    return *interval(right), mean


def few_samples(generator: np.random.Generator, problems: int, mean: float) -> Made:
    return *interval(generator.binomial(SAMPLES, rates(generator, problems, mean)) / SAMPLES), mean


def coverage(generator: np.random.Generator, problems: int, mean: float) -> Made:
    hits = generator.binomial(SAMPLES, rates(generator, problems, mean))
    table = pass_at_k(SAMPLES, np.arange(SAMPLES + 1), [K])[:, 0]
    return *interval(table[hits]), float(1 - np.exp(betaln(mean, 1 - mean + K) - betaln(mean, 1 - mean)))


def majority(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """Two answers: what the vote of 4 of 8 gives for each number of right ones, and its mean over the Beta-binomial law of that."""
    patterns = np.tril(np.ones((SAMPLES + 1, SAMPLES)), -1)
    table = majority_at_k(1 - patterns, patterns, [K], draws=10_000)[0][:, 0]
    return *interval(table[generator.binomial(SAMPLES, rates(generator, problems, mean))]), float(law(mean) @ table)


def best(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """A noisy score of 8 samples: the truth is the mean of 400,000 problems."""
    many = max(1, min(RUNS, 2_000_000 // (8 * problems)))
    chance = generator.beta(mean, 1 - mean, (problems * many, 1))
    right = generator.random((len(chance), SAMPLES)) < chance
    scores = right + generator.standard_normal(right.shape)
    values = best_of_k(scores, right, [K])[:, 0]
    return *interval(values.reshape(problems, many)), best_truth(mean)


@cache
def best_truth(mean: float) -> float:
    generator = np.random.default_rng(99)
    chance = generator.beta(mean, 1 - mean, (400_000, 1))
    right = generator.random((len(chance), K)) < chance
    picked = np.argmax(right + generator.standard_normal(right.shape), axis=1)
    return float(right[np.arange(len(right)), picked].mean())


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


def verdicts(generator: np.random.Generator, problems: int, mean: float) -> Made:
    """One verdict of each method a problem, with the same rate."""
    chance = rates(generator, problems, mean)
    first, second = ((generator.random(chance.shape) < each).astype(float) for each in (chance, 0.8 * chance))
    return *paired_interval(first, second), 0.2 * mean


def ratio(generator: np.random.Generator, problems: int, mean: float) -> Made:
    chance = rates(generator, problems, mean)
    first, second = (generator.binomial(SAMPLES, each) / SAMPLES for each in (0.8 * chance, chance))
    return *ratio_interval(first, second), 0.8


def law(mean: float) -> np.ndarray:
    """Probabilities of 0 to 8 right samples under Beta(mean, 1 - mean)."""
    from scipy.stats import betabinom

    return np.asarray(betabinom.pmf(np.arange(SAMPLES + 1), SAMPLES, mean, 1 - mean))


SIMULATIONS: dict[str, Simulation] = {
    "pass@1, one sample": one_sample,
    "pass@1, 8 samples": few_samples,
    "pass@4 of 8": coverage,
    "majority@4 of 8": majority,
    "best-of-4 of 8": best,
    "clusters, ICC .5": clustered,
    "difference, 8 samples": difference,
    "difference, one sample": verdicts,
    "ratio": ratio,
}


def rows() -> Iterator[str]:
    yield "| estimator | problems | " + " | ".join(f"p = {mean}" for mean in MEANS) + " |"
    yield "|---|---|" + "---|" * len(MEANS)
    for name, simulate in SIMULATIONS.items():
        for problems in SIZES:
            cells = []
            for mean in MEANS:
                low, high, truth = simulate(np.random.default_rng(problems), problems, mean)
                held = 100 * float(np.mean((low <= truth + 1e-12) & (truth <= high + 1e-12)))
                cells.append(f"{held:.1f}" if 93 <= held <= 97 else f"**{held:.1f}**")
            yield f"| {name} | {problems} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    made = []
    for row in rows():
        print(row, flush=True)
        made.append(row)
    table = "\n".join(made)
    text = PAGE.read_text()
    head, _, _ = text.partition(MARK)
    PAGE.write_text(f"{head}{MARK}\n\n{table}\n")
