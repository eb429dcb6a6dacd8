"""What an evaluation counts, on a tiny model whose answers a test chooses."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")

from ponder.train import evaluation
from ponder.train.grpo import Rollouts


def rollouts(problems, plan):
    """The first problem is solved by 2 of 8 draws, the second by all, the others by none, whose answers all differ."""
    texts = []
    for number, problem in enumerate(problems):
        right = (2, 8, 0)[min(number, 2)]
        texts += [f"answer {problem.reference}"] * right + [f"answer {-1 - index}" for index in range(8 - right)]
    rewards = np.array(plan.reward(completions=texts, problem=[one for one in problems for _ in range(8)])).reshape(-1, 8)
    answers = [np.zeros(10 + index % 2, np.int64) for index in range(len(texts))]
    return Rollouts(problems, [], texts, answers, [], np.ones(len(texts), bool), rewards)


def test_one_any_and_majority(monkeypatch):
    monkeypatch.setattr(evaluation, "draw", lambda model, problems, plan, samples, seed: rollouts(problems, plan))
    found = evaluation.evaluate(None, "arithmetic-4", problems=4, samples=8)
    assert found.one.rows == [0.25, 1, 0, 0]
    assert found.any.rows == [1, 1, 0, 0]
    assert found.majority.rows == [1, 1, 0, 0]
    assert (found.tokens, found.tokens_right) == (10.5, 10.5 * 32 / 10)
    assert found.one.low <= found.one.value <= found.one.high
    change = evaluation.gain(found.any, found.one)
    assert change.value == pytest.approx((0.75 + 0) / 4)
    row = evaluation.table({"tiny": [found]}).splitlines()[-1]
    assert row.startswith("| tiny | arithmetic-4 | 0.312 [")
    assert row.endswith("| 10 | 34 |")
