"""Answers as long as was asked for."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")

from ponder.train.allotment import _spearman, allotted, ask, filled
from ponder.train.length import budget_of
from ponder.train.sft import Shown

MISS, HIT = "8+8=16 left 3 7 16\n16+7=23 left 3 23\n23-3=20", "8-7=1 left 3 8 1\n8*3=24 left 1 24\n24*1=24"
SEARCH = Shown("countdown 3 7 8 8 to 24", (MISS, MISS, HIT))


def test_a_search_fills_the_length_it_was_given():
    assert [len(filled(SEARCH, tokens).tries) for tokens in (20, 60, 120, 180, 300)] == [1, 1, 2, 3, 5]
    assert filled(SEARCH, 300).tries == (MISS, MISS, HIT, HIT, HIT)
    for tokens in range(40, 361, 20):
        found = filled(SEARCH, tokens)
        assert abs(found.tokens - len(found.question) - tokens) <= 40
        assert budget_of(found.question) == tokens


def test_what_cannot_be_checked_is_left_out():
    found = allotted([SEARCH, Shown("compute left to right 1+2", ("1+2=3\nanswer 3",))], 1)
    assert len(found) == 1
    assert found[0].question.endswith(ask(SEARCH.question, budget_of(found[0].question))[-len(SEARCH.question) :])


def test_spearman_shares_ranks():
    assert _spearman(np.array([1, 2, 3, 3]), np.array([10, 20, 30, 30])) == pytest.approx(1)
    assert _spearman(np.array([1, 1, 2, 2]), np.array([1, 2, 1, 2])) == pytest.approx(0)
