"""Every curve of a million stored samples with intervals and 1,000 bootstrap resamples: time and memory.

python benchmarks/curves.py
"""

import resource
import time

import numpy as np

from ponder.lab.intervals import interval, resampled
from ponder.lab.statistics import best_of_k, majority_at_k, pass_at_k

PROBLEMS, SAMPLES, RESAMPLES = 1_000, 1_000, 1_000
KS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000]


def samples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Verdicts, answers (a Zipf-like choice of 20 wrong ones) and scores that know a little."""
    generator = np.random.default_rng(0)
    correct = generator.random((PROBLEMS, SAMPLES)) < generator.beta(0.5, 1.0, (PROBLEMS, 1))
    wrong = np.minimum(generator.zipf(1.5, correct.shape), 20)
    return correct, np.where(correct, 0, wrong), np.clip(0.5 + 0.2 * correct + 0.2 * generator.standard_normal(correct.shape), 0, 1)


def main() -> None:
    correct, classes, scores = samples()
    curves = {
        "pass@k": lambda: pass_at_k(SAMPLES, correct.sum(axis=1), KS),
        "majority@k": lambda: majority_at_k(classes, correct, KS)[0],
        "weighted@k": lambda: majority_at_k(classes, correct, KS, scores)[0],
        "best-of-k": lambda: best_of_k(scores, correct, KS),
    }
    begun = time.perf_counter()
    for name, curve in curves.items():
        started = time.perf_counter()
        values = curve()
        low, high = interval(values)
        spread = np.quantile(resampled(values, RESAMPLES), [0.025, 0.975], axis=0)
        limits = f"{low[-1]:.4f} to {high[-1]:.4f}; bootstrap {spread[0, -1]:.4f} to {spread[1, -1]:.4f}"
        told = f"{values[:, -1].mean():.4f} at {KS[-1]:,}, {limits}"
        print(f"{name:<11} {time.perf_counter() - started:6.2f} s  {told}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"all         {time.perf_counter() - begun:6.2f} s, peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
