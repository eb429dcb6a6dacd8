"""Rewards: the task's own grade, formats, what is skipped, and how several are one."""

import numpy as np
import pytest

from ponder.errors import InputError
from ponder.tasks import get
from ponder.train import rewards

PROBLEMS = get("countdown-4").load("train", 2)


def test_the_reward_is_the_tasks_grade_from_problems_and_from_columns_alike():
    texts = [PROBLEMS[0].reference, PROBLEMS[0].reference, [{"role": "assistant", "content": PROBLEMS[1].reference}]]
    problems = [PROBLEMS[0], PROBLEMS[1], PROBLEMS[1]]
    assert rewards.accuracy(completions=texts, problem=problems, prompts=None) == [1, 0, 1]
    assert rewards.accuracy(completions=texts, problem=[rewards.column(one) for one in problems]) == [1, 0, 1]


def test_a_column_that_is_none_says_so():
    with pytest.raises(InputError, match="column `problem`"):
        rewards.accuracy(completions=["1"], problem=['{"task": "countdown-4"}'])


def test_a_task_whose_verdict_is_a_model_is_no_reward():
    problem = get("free").load
    assert callable(problem)
    from ponder.tasks import free

    with pytest.raises(InputError, match="no check"):
        rewards.accuracy(completions=["1"], problem=[free.problem("hello")])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<think>so</think> <answer>4</answer>", 1),
        ("<think>so</think>\n<answer>4</answer>\n", 1),
        ("<think>so</think> 4", 0),
        ("4", 0),
        ("<think>a</think><think>b</think><answer>4</answer>", 0),
        ("<think>so</think><answer>4</answer><answer>5</answer>", 0),
        ("Well: <think>so</think><answer>4</answer>", 0),
    ],
)
def test_form(text, value):
    assert rewards.form(completions=[text]) == [value]


def test_charset_is_a_share_and_an_empty_text_is_skipped():
    assert rewards.charset()(completions=["abcd", "ab你好", "你好", ""]) == [1, 0.5, 0, None]
    assert rewards.charset("一-鿿")(completions=["ab你好"]) == [0.5]


def test_repetition():
    loop = "a b c d " * 10
    assert rewards.repetition()(completions=["all of these words are different", "short"]) == [0, 0]
    assert rewards.repetition()(completions=[loop])[0] == pytest.approx(-(1 - 4 / 37))
    assert rewards.repetition(2, penalty=-0.5)(completions=["x x x"]) == [-0.25]


def test_several_rewards_are_one_and_none_is_skipped():
    def constant(*values):
        return lambda **_: list(values)

    both = rewards.composed({"right": (constant(1, 0, None), 1.0), "form": (constant(1, None, None), 0.5)})
    totals, parts = both(completions=["a", "b", "c"])
    assert totals[:2].tolist() == [1.5, 0]
    assert np.isnan(totals[2])
    assert np.isnan(parts["form"]).tolist() == [False, True, True]


def test_format_alone_is_worth_no_more_than_its_weight():
    both = rewards.composed({"right": (rewards.accuracy, 1.0), "form": (rewards.form, 0.2)})
    totals, _ = both(completions=["<think>x</think><answer>nothing</answer>"], problem=[PROBLEMS[0]])
    assert totals.tolist() == [0.2]
