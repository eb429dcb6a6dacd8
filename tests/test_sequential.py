"""Sampling until it is enough: live runs end where the rule says, cost what they drew and follow their laws; recorded runs."""

import asyncio
import gzip
import json
import re
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ponder.errors import InputError
from ponder.lab.bank import draw_bank
from ponder.lab.scale import scale
from ponder.lab.statistics import majority_at_k
from ponder.models.simulated import ABLE, Simulated
from ponder.solve import solve
from ponder.strategies import parse, registry
from ponder.strategies.sequential import _ramped
from ponder.strategies.stopping import beta, confident, dirichlet, stops, window
from ponder.tasks.simulated import problems, simulated
from ponder.types import Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Imperfect
from scripted import Scripted

SEQUENTIAL = [name for name, one in registry.all().items() if one.rule is not None]
SINGLY = replace(ABLE, n=False)
EXACT = Imperfect(simulated.verifier, 1.0, 0.0)


def run(strategy, model, problem=None, **settings):
    settings = {"verifier": EXACT} | settings
    return asyncio.run(solve(problem or problems(1)[0], model=model, strategy=strategy, **settings))


def right(answer, problem):
    return answer.answer == problem.reference


@pytest.mark.parametrize("spec", [*SEQUENTIAL, "adaptive-consistency(rule=dirichlet)", "pandora(cost=.2)", "first-wins(k=2)"])
def test_a_live_run_draws_what_its_rule_says_of_recorded_samples_and_selects_among_them(spec):
    model, asked = Simulated(accuracy=(1.5, 1.5), abilities=SINGLY), problems(12)
    bank = asyncio.run(draw_bank(asked, model, 16, verifier=EXACT))
    strategy, parameters = parse(spec)
    for row, problem in enumerate(asked):
        answer = run(spec, model, problem, n=16)
        drawn = stops(strategy, parameters | {"n": 16}, bank.classes[row], bank.scores[row])
        assert [one.sample.index for one in answer.candidates] == list(range(drawn))
        chosen = strategy.select(bank.candidates[row][:drawn], simulated.canonical)
        assert answer.text == chosen.sample.text
        ended = [event.data["drawn"] for event in answer.trace.events if event.kind == "stopped"]
        assert ended == [drawn] or (ended == [] and drawn == 16)


def walk(p, n, **settings):
    """Accuracy and samples of adaptive consistency on two answers, by enumerating the walk of their counts (i right, j wrong)."""
    reached, accuracy, samples = {(0, 0): 1.0}, 0.0, 0.0
    for drawn in range(1, n + 1):
        ahead = {}
        for (i, j), chance in reached.items():
            for state, step in (((i + 1, j), p), ((i, j + 1), 1 - p)):
                ahead[state] = ahead.get(state, 0.0) + chance * step
        reached = {}
        for (i, j), chance in ahead.items():
            row = np.array([0] * i + [1] * j)
            if drawn == n or beta(row, row * np.nan, **settings)[-1]:
                accuracy += chance * (1.0 if i > j else 0.5 if i == j else 0.0)
                samples += chance * drawn
            else:
                reached[i, j] = chance
    return accuracy, samples


def test_adaptive_consistency_on_two_answers_is_the_walk_of_its_counts():
    """p = .7, C = .9, n = 15: accuracy and mean samples by enumeration, against 400 live runs."""
    accuracy, samples = walk(0.7, 15, confidence=0.9)
    model, asked = Simulated(accuracy=0.7, wrong=1, steps=1), problems(400)
    answers = [run("adaptive-consistency", model, one, n=15, confidence=0.9) for one in asked]
    assert np.mean([right(answer, one) for answer, one in zip(answers, asked, strict=True)]) == pytest.approx(accuracy, abs=0.05)
    assert np.mean([len(answer.candidates) for answer in answers]) == pytest.approx(samples, abs=0.6)


def test_adaptive_consistency_loses_at_most_its_doubt_to_the_whole_vote():
    """By enumeration, over p: within 1 - C of the vote of 40, with 24.2 samples at p = .6 and 4.1 at .99."""
    drawn = []
    for p in (0.6, 0.7, 0.8, 0.9, 0.99):
        whole = sum(comb(40, i) * p**i * (1 - p) ** (40 - i) * (1.0 if i > 20 else 0.5 if i == 20 else 0.0) for i in range(41))
        accuracy, samples = walk(p, 40)
        assert whole - accuracy < 0.05
        drawn.append(samples)
    assert np.round(drawn, 1).tolist() == [24.2, 15.1, 8.7, 5.6, 4.1]


def test_first_wins_draws_its_expected_number_and_is_charged_for_no_other():
    """E[draws] = (1 - (1-p)^n) / p = 4.161 for p = .2, n = 8, and the model has emitted what the candidates hold."""
    drawn = []
    for problem in problems(400):
        model = Simulated(accuracy=0.2, steps=1)
        answer = run("first-wins", model, problem, n=8)
        assert sum((one.sample.usage for one in answer.candidates), Usage()) == model.tally.usage == answer.usage["policy"]
        drawn.append(len(answer.candidates))
    assert np.mean(drawn) == pytest.approx((1 - 0.8**8) / 0.2, abs=0.4)


def test_first_wins_is_right_as_often_as_what_its_verifier_accepts():
    """p tpr / (p tpr + (1-p) fpr) = .794 for p = .3, tpr = .9, fpr = .1 (Stroebl et al. 2024)."""
    model, judge, asked = Simulated(accuracy=0.3, steps=1), Imperfect(simulated.verifier), problems(300)
    correct = [right(run("first-wins", model, one, verifier=judge), one) for one in asked]
    assert np.mean(correct) == pytest.approx(0.27 / 0.34, abs=0.07)


class Watched(Simulated):
    """A model that knows how many of its streams were ever open at once."""

    def __init__(self, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "open", [0, 0])

    async def stream(self, request):
        self.open[0] += 1
        self.open[1] = max(self.open)
        try:
            async for chunk in super().stream(request):
                yield chunk
        finally:
            self.open[0] -= 1


@pytest.mark.parametrize("sampler", ["", "direct"])
@pytest.mark.parametrize(("width", "spec"), [(1, "first-wins"), (6, "first-wins"), (3, "adaptive-consistency"), (4, "pandora")])
def test_what_is_in_flight_when_the_rule_stops_is_cancelled_and_charged_for_what_it_produced(width, spec, sampler):
    """Token for token; but a draw that is cut before it has shown a token is charged the most it can have cost, as anywhere."""
    for problem in problems(3):
        model = Watched(accuracy=0.6, latency=0.0002, words=8)
        answer = run(spec, model, problem, width=width, sampler=sampler)
        assert model.open[0] == 0
        assert model.open[1] <= width
        drawn = [event.data for event in answer.trace.events if event.kind == "drawn"]
        assert len(answer.candidates) <= len(drawn) < len(answer.candidates) + width
        unseen = [one for one in drawn if one["usage_source"] == "reserved"]
        assert all(one["finish_reason"] == "cancelled" and not one["text"] for one in unseen)
        produced = sum(one["usage"]["completion"] for one in drawn) - sum(one["usage"]["completion"] for one in unseen)
        assert produced == model.tally.completion


def test_width_trades_tokens_for_time():
    """The first of 16 to be right where p = .1: one after another costs least, all at once ends first."""

    def spent(width):
        answers = [run("first-wins", Simulated(accuracy=0.1, latency=0.0005), one, n=16, width=width) for one in problems(3)]
        return sum(answer.cost.tokens for answer in answers), sum(answer.cost.seconds for answer in answers)

    (least, longest), (most, shortest) = spent(1), spent(16)
    assert least < most
    assert shortest < longest / 2


def test_a_window_is_drawn_together_and_no_draw_beyond_it():
    for problem in problems(4):
        model = Watched(accuracy=0.7)
        answer = run("early-stopping-consistency", model, problem)
        assert model.tally.calls == len(answer.candidates)
        assert len(answer.candidates) % 5 == 0
        assert model.open[1] == 5


def test_all_samples_vote_and_not_the_last_window_alone():
    """Two windows of four right ones and a wrong one, then a window that agrees on the wrong one: 8 right against 7 wrong."""
    said = iter((["right"] * 4 + ["wrong"]) * 2 + ["wrong"] * 5)
    answer = run("early-stopping-consistency", Scripted(lambda _: f"answer {next(said)}"))
    assert len(answer.candidates) == 15
    assert answer.answer == "right"


def test_failed_draws_are_passed_over():
    model = Simulated(accuracy=1.0, abilities=SINGLY, faults={"break": 0.4})
    answer = run("adaptive-consistency", model)
    assert len(answer.candidates) == 4
    assert model.tally.calls > 4


def test_what_no_verifier_can_judge_stops_nothing():
    """A verifier that can tell nothing of wrong solutions: they are drawn until one is right."""
    seeing = Check("half blind", "nothing", lambda _, text: Score(None, error="wrong?") if "wrong" in text else Score(1.0))
    for problem in problems(10):
        answer = run("first-wins", Simulated(accuracy=0.3, abilities=SINGLY), problem, n=30, verifier=seeing)
        assert [one.value for one in answer.candidates] == [None] * (len(answer.candidates) - 1) + [1.0]


@pytest.mark.parametrize("n", [1, 8, 40])
def test_the_lab_counts_the_tokens_that_are_really_drawn(n):
    """Where every answer is right, adaptive consistency draws 4 of 8 or 40 samples, and its curve says so."""
    model = Simulated(accuracy=1.0, abilities=SINGLY)
    result = asyncio.run(scale(simulated, model, ["adaptive-consistency", "self-consistency"], [n], problems=10))
    bank = asyncio.run(draw_bank(simulated.load("test", 10), model, n))
    tokens = np.array([[one.sample.usage.computed for one in row] for row in bank.candidates])
    early, whole = (curve["points"][0] for curve in result["curves"])
    assert early["tokens"] == tokens[:, :4].sum(axis=1).mean()
    assert whole["tokens"] == pytest.approx(tokens.sum(axis=1).mean())
    assert early["selected"] == early["oracle"] == 1.0


def recorded(path: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def matrices(rows: list[tuple[list[str | None], str]]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each answer, -1 for none, and whether it is the right one."""
    numbers = [{answer: number for number, answer in enumerate(dict.fromkeys(a for a in row if a is not None))} for row, _ in rows]
    classes = np.array([[known.get(answer, -1) for answer in row] for known, (row, _) in zip(numbers, rows, strict=True)])
    return classes, np.array([[answer == gold for answer in row] for row, gold in rows])


def replayed(rule, classes, correct, orders=12):
    """Accuracy and samples a problem when a vote ends by `rule`, over random orders of the recorded samples."""
    generator, found = np.random.default_rng(0), []
    for order in (generator.permutation(40) for _ in range(orders)):
        for row, truth in zip(classes[:, order], correct[:, order], strict=True):
            ends = np.flatnonzero(rule(row, np.full(40, np.nan)))
            drawn = int(ends[0]) + 1 if ends.size else 40
            accuracy, _ = majority_at_k(row[None, :drawn], truth[None, :drawn], [drawn])
            found.append((100 * accuracy[0, 0], drawn))
    return np.mean(found, axis=0)


@pytest.fixture(scope="module")
def letters(data: Path):
    """500 questions on last letters × 40 samples of gpt-3.5; the answer is what letters stand behind "the answer is"."""
    rows = recorded(data / "rec_esc_lastletters" / "gpt35_last_letters_T0.7.jsonl.gz")
    return [([_letters(text) for text in row["generated_answer"]], row["answer"]) for row in rows]


def _letters(text: str) -> str:
    return re.sub("[^a-z]", "", text.lower().split("the answer is")[-1])


def test_early_stopping_consistency_on_recorded_last_letters(letters) -> None:
    """One sample 80.4, the vote of 40 83.2, early stopping 83.2 with 8.8 samples; an empty answer is one, as authors count."""
    classes, correct = matrices(letters)
    values, _ = majority_at_k(classes, correct, [1, 40])
    assert np.round(100 * values.mean(axis=0), 1).tolist() == [80.4, 83.2]
    assert_allclose(replayed(window, classes, correct), [83.2, 8.8], atol=0.15)


def test_adaptive_consistency_on_recorded_last_letters(letters) -> None:
    """83.2 with 6.4 samples by the Beta rule and 6.5 by the Dirichlet rule; empty answers do not vote."""
    classes, correct = matrices([([answer or None for answer in row], gold) for row, gold in letters])
    assert_allclose(replayed(beta, classes, correct, 8), [83.2, 6.4], atol=0.2)
    assert_allclose(replayed(dirichlet, classes, correct, 5), [83.2, 6.5], atol=0.2)


def test_adaptive_consistency_on_recorded_dates(data: Path) -> None:
    """Date understanding, 359 × 40 samples of Codex: the vote of 40 is right on 77.2, with 4.4 samples on 77.2."""
    folder = data / "rec_faithfulcot"
    gold = {row["id"]: row["answer"].removeprefix("#### ") for row in recorded(folder / "date_gold.jsonl.gz")}
    rows = recorded(folder / "date__test__code002_LtM_n40__predictions.jsonl.gz")
    said = [[re.findall(r"answer is ([^\n]*?)\.?\s*(?:\n|$)", text)[-1] for text in row["completions"]] for row in rows]
    classes, correct = matrices([(answers, gold[row["id"]]) for answers, row in zip(said, rows, strict=True)])
    assert round(100 * majority_at_k(classes, correct, [40])[0].mean(), 1) == 77.2
    assert_allclose(replayed(confident, classes, correct, 10), [77.2, 4.4], atol=0.1)


def test_with_a_ramp_one_goes_alone_and_one_more_for_each_so_many_that_have_finished():
    abreast = _ramped(4, 3)
    assert [abreast(finished) for finished in range(12)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert {_ramped(4, 0)(finished) for finished in range(12)} == {4}
    with pytest.raises(InputError, match="`ramp` counts draws"):
        _ramped(4, -1)
