"""Length rewards against the published numbers."""

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.tasks import get
from ponder.train import length
from ponder.train.rewards import accuracy, column


def test_kimi():
    lengths = [100, 200, 300]
    assert length.kimi(lengths, [1, 1, 1])[0].tolist() == [0.5, 0, -0.5]
    assert length.kimi(lengths, [0, 0, 0])[0].tolist() == [0, 0, -0.5]
    assert length.kimi([[50, 50]], [[1, 0]])[0].tolist() == [0, 0]


def test_lcpo():
    assert length.lcpo_exact(1100, True, 1000) == pytest.approx(1 - 0.03)
    assert length.lcpo_exact(900, False, 1000) == pytest.approx(-0.03)
    asked = 1000
    lengths = np.array([1000, 2000, 4000, 0, 100_000])
    assert length.lcpo_max(lengths, True, asked) == pytest.approx([0.5, 0.2, 0, 0.8, 0])
    assert not length.lcpo_max(lengths, False, asked).any()


def test_o1_pruner_is_standardised_and_clipped():
    lengths, right = np.array([50.0, 100.0, 200.0, 400.0]), np.array([1, 1, 1, 0])
    merit = np.clip(100 / lengths - 1 + 5 * (right - 0.75), -2, 4)
    assert merit.tolist() == [2.25, 1.25, 0.75, -2]
    assert length.o1_pruner(lengths, right, 100, 0.75) == pytest.approx((merit - merit.mean()) / merit.std())
    assert not length.o1_pruner([100, 100], [1, 1], 100, 1.0).any()


def test_dapo_overlong():
    assert length.overlong([1, 16_384, 18_432, 20_480, 99_999]).tolist() == [0, 0, -0.5, -1, -1]
    with pytest.raises(InputError, match="cache"):
        length.overlong([1], 10, 20)


def test_budgets_are_read_from_questions():
    assert length.budget_of("What is 2+2? " + length.BUDGET.format(300)) == 300
    assert length.budget_of("Think for at most 20 tokens. Go") == 20
    assert length.budget_of("What is 2+2?") is None


def test_rewards_with_trls_signature():
    [problem] = get("arithmetic-4").load("train", 1)
    ids = [[0] * 10, [0] * 20, [0] * 30, [0] * 40]
    columns = {
        "completions": [f"answer {problem.reference}"] * 3 + ["answer -1"],
        "completion_ids": ids,
        "problem": [column(problem)] * 4,
        "prompts": ["?"] * 4,
    }
    assert length.shorter(accuracy, 4)(**columns) == pytest.approx([0.5, 1 / 6, -1 / 6, -0.5])
    assert length.overlong_reward(40, 20)(**columns) == pytest.approx([0, 0, -0.5, -1])
    assert length.as_asked(accuracy)(**columns) == [None] * 4
