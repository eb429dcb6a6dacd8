"""Examples to tune on: what weighs how much, and at which temperature."""

import random

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder.tasks import countdown  # noqa: E402
from ponder.train.sft import MARGIN, Shown, example, examples, surprise  # noqa: E402
from ponder.train.tries import joined, needless, tried  # noqa: E402
from tiny import llama  # noqa: E402

PROBLEM = countdown.problem(countdown.countdown_3, (3, 7, 13), 23)
MISS, OTHER, HIT = "7*3=21 left 13 21\n21+13=34", "13-7=6 left 3 6\n6*3=18", "13+7=20 left 3 20\n20+3=23"
LIE = "7+3=11 left 13 11\n13+11=24"
SUM = Shown("compute left to right 1+2", ("1+2=3\nanswer 3",))


def test_wrong_tries_carry_a_loss_now_and_then_and_verdicts_a_large_one():
    shown = Shown(PROBLEM.question, (MISS, HIT))
    tokens, labels = example(shown, random.Random(0), errors=0.0)
    bare = [weight for weight, _ in labels]
    full = [weight for weight, _ in example(shown, random.Random(0), errors=1.0)[1]]
    prompt, said = len(PROBLEM.question) + 2, len("\n34-23=11 no left 3 7 13\n")
    assert len(tokens) == len(bare) == shown.tokens
    assert {*full[:prompt]} == {0} == {*bare[: prompt + len("7*3=")]}
    assert bare[prompt : prompt + len(MISS)] == [0] * 4 + [1, 1] + [0] * (len(MISS) - 8) + [12, 12]  # what it computed is true
    assert [*full[prompt : prompt + len(MISS)]] == [*[1] * (len(MISS) - 2), 12, 12]  # where it ended is judged by the verdict
    assert {*bare[prompt + len(MISS) : prompt + len(MISS) + said]} == {4}
    assert full[prompt + len(MISS) :] == bare[prompt + len(MISS) :]
    assert bare[-len("=23\n23-23=0 yes") - 1 :] == [1, 1, 1, *[4] * len("\n23-23=0 yes"), 4]  # the end belongs to the verdict
    _, false = example(Shown(PROBLEM.question, (LIE, HIT)), random.Random(0), errors=0.0)
    assert {weight for weight, _ in false[prompt : prompt + len("7+3=11 left 13 11")]} == {0}
    alone, _ = example(Shown("compute left to right 1+2", ("1+2=3\nanswer 3",)), random.Random(0))
    assert alone[-1] == 2


def test_tries_of_an_answer_are_those_that_were_joined():
    shown = Shown(PROBLEM.question, (MISS, OTHER, HIT))
    tokens, _ = example(shown, random.Random(0))
    found = tried(PROBLEM, np.array(tokens[len(PROBLEM.question) + 2 :]))
    assert (found.right, found.ended) == ([False, False, True], True)


def test_a_brief_example_is_the_whole_one_without_what_tells_nothing():
    shown = Shown(PROBLEM.question, (MISS, HIT))
    brief = msgspec.structs.replace(shown, brief=True)
    tokens, labels = example(shown, random.Random(0))
    fewer, its = example(brief, random.Random(0))
    assert len(fewer) == len(its) == brief.tokens == shown.tokens - len(" left") * 3 - len(" 21") - len(" 20")
    begin = len(PROBLEM.question) + 2
    left_out = {begin + place for place in needless(joined(shown.question, shown.tries))}
    assert list(zip(fewer, its, strict=True)) == [
        one for place, one in enumerate(zip(tokens, labels, strict=True)) if place not in left_out
    ]
    assert tried(PROBLEM, np.array(fewer[begin:])).right == [False, True]


def test_examples_fill_a_step_and_are_a_function_of_seed_and_step():
    shown = [Shown(PROBLEM.question, (MISS, HIT)), SUM]
    some = list(examples(shown, 1, 7, 400))
    assert some == list(examples(shown, 1, 7, 400)) != list(examples(shown, 1, 8, 400))
    assert 400 - shown[0].tokens < sum(len(tokens) for tokens, _ in some) <= 400


def test_the_parts_of_examples_add_up_to_the_mean_over_all_their_tokens():
    model, two = llama(), [example(SUM, random.Random(0)), example(Shown(PROBLEM.question, (MISS, HIT)), random.Random(0))]
    parts = [part.item() for part in surprise(model, two)]
    alone = [sum(surprise(model, [one])).item() for one in two]
    sizes = [sum(weight for weight, _ in labels) for _, labels in two]
    assert parts == pytest.approx([loss * size / sum(sizes) for loss, size in zip(alone, sizes, strict=True)], rel=1e-5)


def test_an_answer_is_made_likelier_at_the_temperature_it_is_drawn_at():
    model, loss = llama(), {}
    for heat in (1.0, 1.3):
        tokens, labels = example(Shown(SUM.question, SUM.tries, heat), random.Random(0))
        begin = len(SUM.question) + 2
        logits = model(input_ids=torch.tensor([tokens])).logits[0, begin - 1 : -1]
        chances = torch.log_softmax(logits / (MARGIN * heat), -1)[range(len(tokens) - begin), tokens[begin:]]
        weights = torch.tensor([weight for weight, _ in labels[begin:]])
        loss[heat] = sum(surprise(model, [(tokens, labels)])).item()
        assert loss[heat] == pytest.approx(-(chances * weights).sum().item() / weights.sum().item(), rel=1e-5)
    assert loss[1.0] != pytest.approx(loss[1.3], rel=1e-5)
