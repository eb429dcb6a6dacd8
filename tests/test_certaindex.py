"""Certaindex: the thinking ends when the replies to its probes agree, and only then; every probe is paid for."""

import re
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from math import log, sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.errors import AbilityMissing, BudgetExhausted, InputError, ModelError
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.strategies.certaindex import PROBE, certainty
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Usage
from scripted import Scripted

PROBLEM = problems(1)[0]
PLAIN = replace(PROBLEM, task=replace(PROBLEM.task, extract=lambda _, text: (re.findall(r"\d+|no", text) or [None])[-1]))


def thinker(*replies, length=38, tags=False):
    """Thinks `length` words and answers 9 in two more; the probes get `replies` in turn, and the last one for ever."""
    left = list(replies)

    def say(request):
        if request.prefix.endswith(PROBE):
            return left.pop(0) if len(left) > 1 else left[0]
        if "</think>" in request.prefix or request.prefix.endswith("Final Answer:"):
            return "answer 9"
        done = len(request.prefix.split())
        return ("<think> " if tags and not done else "") + "so " * (length - done) + ("</think>" if tags else "answer 9")

    return Scripted(say)


def ran(model, problem=PROBLEM, **settings):
    return solve_sync(problem, model=model, strategy="certaindex", **({"window": 2, "every": 8, "max_tokens": 200} | settings))


def kept(answer, kind):
    return [event.data for event in answer.trace.events if event.kind == kind]


# The measure


@given(st.integers(2, 30))
def test_certainty_is_1_where_all_agree_and_0_where_all_differ(n):
    """(log n - H) / log n: H = 0 of one answer, H = log n of n."""
    assert certainty(["a"] * n) == 1
    assert certainty(range(n)) == pytest.approx(0, abs=1e-12)


def test_certainty_in_between():
    """2, 1, 1 of four: H = 1.5 log 2 of log 4, so 1/4; 2 and 2: 1/2. One alone is certain, and of none there is nothing to say."""
    assert certainty("aabc") == pytest.approx(0.25)
    assert certainty("aabb") == pytest.approx(0.5)
    assert certainty("aaab") == pytest.approx(1 - (0.75 * log(4 / 3) + 0.25 * log(4)) / log(4))
    assert (certainty("a"), certainty("")) == (1, None)


# The rule


@pytest.mark.parametrize(
    ("replies", "window", "probes", "said"),
    [
        (["7"], 2, 2, "7"),
        (["7"], 3, 3, "7"),
        (["1", "7", "7"], 2, 3, "7"),
        (["7", "1", "7", "1", "7", "1"], 2, 4, "9"),  # the published code would stop: they disagree
        (["1", "2", "3", "4", "5", "6"], 2, 4, "9"),
        (["7", "who knows", "7", "who knows"], 2, 4, "9"),
        (["7 but", "7", "7"], 2, 3, "7"),
        (["7. Hmm, wait"], 2, 4, "9"),
        (["7", "okay 7", "7", "7"], 2, 4, "7"),
        (["no"], 2, 2, "no"),  # the answer, and no doubt about it
    ],
)
def test_it_ends_when_the_last_replies_agree_and_only_then(replies, window, probes, said):
    """Forty words of thought, a probe after each eight but the last; what ends by itself is answered by itself."""
    answer = ran(thinker(*replies), PLAIN, window=window)
    assert (answer.answer, len(kept(answer, "probed"))) == (said, probes)
    assert len(kept(answer, "settled")) == (said != "9")
    assert [one["tokens"] for one in kept(answer, "thought")][:probes] == [8 * turn for turn in range(1, probes + 1)]


def test_what_a_probe_brought_forth_is_not_thought_on_from():
    model = thinker("1", "2", "3")
    ran(model)
    thoughts = [request.prefix for request in model.requests if not request.prefix.endswith(PROBE)]
    assert not any("Answer" in prefix for prefix in thoughts)
    assert all(later.startswith(earlier) for earlier, later in pairwise(thoughts))


def test_every_probe_is_charged_under_a_role_of_its_own():
    model = thinker("1 2 3 is it not", "7", "7")
    answer = ran(model)
    assert answer.usage["policy"] + answer.usage["verifier"] == model.tally.usage
    assert (answer.usage["policy"].completion, answer.usage["verifier"].completion) == (3 * 8, 6 + 1 + 1)
    assert answer.usage["verifier"].calls == 3
    assert answer.candidates[0].sample.usage == answer.usage["policy"]
    assert max(request.max_tokens for request in model.requests if request.prefix.endswith(PROBE)) == 20


def test_thinking_in_tags_is_closed_before_the_answer():
    answer = ran(thinker("7", tags=True))
    [candidate] = answer.candidates
    assert (answer.text, answer.answer, candidate.sample.finish_reason) == ("Final Answer: 7", "7", "stop")
    assert candidate.sample.reasoning.split() == ["so"] * 15
    whole = ran(thinker("1", "2", "3", "4", "5", "6", tags=True))
    assert (whole.text, whole.answer) == ("answer 9", "9")


def test_at_the_maximum_the_end_is_forced():
    answer = ran(thinker("1", "2", "3", "4", "5", length=900), maximum=20)
    assert [one["tokens"] for one in kept(answer, "thought")] == [8, 16, 20]
    assert "Final Answer:" in answer.text


def test_how_often_independent_replies_agree():
    """Of one long step, replies are independent: right with p, wrong in one of four ways. The first w agree with probability
    sum over answers of p_a^w, and are right in p^w of these cases (w = 2)."""
    p, count = 0.6, 250
    model = Simulated(accuracy=p, steps=1, words=3000, spread=0.0, wrong=3, attractor=0.5)
    rest = [0.5, *(0.5 / rank / (1 + 1 / 2 + 1 / 3) for rank in (1, 2, 3))]
    shares = [p, *((1 - p) * share for share in rest)]
    found = [(one, ran(model, one, max_tokens=4000, maximum=80)) for one in problems(count)]
    agree = sum(share**2 for share in shares)
    first = [(one, answer) for one, answer in found if len(kept(answer, "probed")) == 2]
    assert len(first) / count == pytest.approx(agree, abs=3 * sqrt(agree * (1 - agree) / count))
    right = p**2 / agree
    accuracy = fmean(answer.answer == one.reference for one, answer in first)
    assert accuracy == pytest.approx(right, abs=3 * sqrt(right * (1 - right) / len(first)))


def test_more_effort_thinks_longer():
    """The paper's presets, from mild to crazy, at an eighth of their size."""
    model = Simulated(accuracy=0.6, steps=8, words=30, block=1)
    spent = [
        fmean(ran(model, one, window=window, every=every, max_tokens=500).usage["policy"].completion for one in problems(30))
        for window, every in ((8, 8), (5, 8), (3, 8), (2, 8), (2, 4))
    ]
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] < spent[0] / 2


def test_a_probe_that_fails_tells_nothing():
    """Three calls of ten fail: thinking that fails ends with what there is, a probe that fails ends nothing."""
    model, answers = Simulated(accuracy=1.0, steps=6, words=20, faults={"refuse": 0.3}, seed=3), []
    for one in problems(12):
        with suppress(ModelError):  # the first stretch failed
            answers.append(ran(model, one))
    failed = [event for answer in answers for event in kept(answer, "drawn") if event["error"]]
    assert any(event["role"] == "verifier" for event in failed)
    assert all(answer.answer is not None for answer in answers)


@pytest.mark.parametrize("tokens", [20, 60, 100, 200, 1000])
def test_the_answer_is_kept_back_from_the_budget(tokens):
    model = thinker("1", "2", "3", "4", "5")
    try:
        answer = ran(model, budget=str(tokens), max_tokens=30)
    except BudgetExhausted:
        assert tokens < 30 + 3
    else:
        assert (answer.answer, answer.stopped) == ("9", "budget" if tokens < 1000 else "done")
    assert model.tally.usage.computed <= tokens


def test_it_needs_a_model_that_continues_and_sizes_above_0():
    model = Simulated(abilities=Abilities())
    with pytest.raises(AbilityMissing, match="continues"):
        ran(model)
    for settings in ({"window": 0}, {"every": 0}):
        with pytest.raises(InputError, match="must be above 0"):
            ran(model := Simulated(), **settings)
    assert model.tally.usage == Usage()
