"""What draws give to learn from: searches, hindsight, rejection sampling, and a file that a killed run goes on with."""

import random

import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")

from ponder.tasks import arithmetic, countdown, get
from ponder.train import exploration
from ponder.train.exploration import EACH, FEW, concise, curated, explore, hindsight, rejected, searched
from ponder.train.grpo import Plan
from ponder.train.sft import Shown
from ponder.train.tries import lawful

PROBLEM = countdown.problem(countdown.countdown_3, (3, 7, 13), 23)
MISS, OTHER, HIT = "7*3=21 left 13 21\n21+13=34", "13-7=6 left 3 6\n6*3=18", "13+7=20 left 3 20\n20+3=23"
LIE = "7+3=11 left 13 11\n13+11=23"
SLIP, LESS, TWICE = "13-7=5 left 3 5\n5*3=15", "13+7=20", "13+7=20 left 13 20\n20+13=33"


def test_searches_are_right_tries_behind_wrong_ones_that_keep_the_rules():
    wrong = [(MISS, False), (LIE, False), (SLIP, False)]
    answers = [[(MISS, False)], wrong, [(HIT, True)], [(OTHER, False), (LESS, False), (HIT, True)]]
    found = [one.tries for one in searched(PROBLEM, answers) if one.question == PROBLEM.question]
    assert {one[-1] for one in found} == {HIT}
    assert {text for one in found for text in one[:-1]} <= {MISS, OTHER}
    assert any(len(one) > 2 for one in found)
    assert len(found) == EACH
    once = [one.tries for one in curated(PROBLEM, answers)]
    assert once
    assert all(len(one) == len({*one}) for one in once)  # nothing twice
    assert [one.tries for one in rejected(PROBLEM, answers)] == [(HIT,), (OTHER, HIT)]
    assert curated(PROBLEM, answers[:2]) == []


def test_concise_answers_are_right_of_few_tries_with_nothing_twice_and_brief():
    short, long = [(MISS, False), (MISS, False), (HIT, True)], [(MISS, False), (OTHER, False)] * 2 + [(HIT, True)]
    assert len(short) <= FEW < len(long)
    assert concise(PROBLEM, [short, long, [(MISS, False)]]) == [Shown(PROBLEM.question, (MISS, HIT), 0.8, brief=True)]


def test_a_try_keeps_the_rules_if_it_computes_rightly_with_every_number_once():
    assert [lawful(PROBLEM.question, text) for text in (MISS, OTHER, HIT)] == [True] * 3
    assert [lawful(PROBLEM.question, text) for text in (LIE, SLIP, LESS, TWICE, "")] == [False] * 5
    assert not lawful("compute left to right 1+2", "1+2=3")


def test_hindsight_asks_for_what_was_reached():
    found = [hindsight(PROBLEM, [MISS, OTHER], random.Random(seed)) for seed in range(20)]
    assert {one.question for one in found if one} <= {"countdown 3 7 13 to 34", "countdown 3 7 13 to 18"}
    assert any(one for one in found)
    assert all(countdown.split_of((3, 7, 13), int(one.question.split()[-1])) == "train" for one in found if one)
    assert hindsight(PROBLEM, [LIE], random.Random(0)) is None  # its rules are broken whatever is asked


def test_where_an_answer_cannot_be_checked_each_right_one_stands_alone():
    problem = arithmetic.problem(arithmetic.arithmetic_4, "12+7*3", "57")
    assert [one.tries for one in searched(problem, [[("answer 5", False)], [("answer 57", True)]])] == [("answer 57",)] * EACH


def test_a_killed_exploration_goes_on_behind_the_last_batch(tmp_path, monkeypatch):
    problems, drawn = get("countdown-3").load("train", 5), []

    def made(model, left, samples, teach, seed, plan):
        for number, problem in enumerate(left):
            drawn.append((problem.id, seed + number))
            if len(drawn) == 4:
                raise KeyboardInterrupt
            yield [Shown(problem.question, ("1+1=2",))]

    monkeypatch.setattr(exploration, "BATCH", 2)
    monkeypatch.setattr(exploration, "explored", made)
    call = (tmp_path / "x.jsonl", None, problems, 1, searched, 7, Plan())
    with pytest.raises(KeyboardInterrupt):
        explore(*call)
    assert [one.question for one in explore(*call)] == [problem.question for problem in problems]
    assert drawn[4] == (problems[2].id, 9)  # two were kept; the third is drawn as it was
