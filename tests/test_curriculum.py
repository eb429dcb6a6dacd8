"""What is asked next: groups that teach something, and tasks within the band."""

import numpy as np
import pytest

from ponder.train.curriculum import asked, counts, enough, rates, shares


def test_groups_that_are_equal_or_unknown_teach_nothing():
    first, second = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.0, np.nan], [0.0, 1.0]])
    assert enough([first], 1)
    assert not enough([first], 2)
    assert enough([first, second], 2)
    assert not enough([first, second], 3)


def test_rates_are_of_the_last_steps_that_asked():
    steps = [{"a": 0.0}, {"a": 0.4, "b": 1.0}, {"a": 0.6}, {"b": 0.0}]
    assert rates(steps, recent=2) == {"a": 0.5, "b": 0.5}
    assert rates([]) == {}


def test_outside_the_band_a_task_counts_a_tenth_and_unknown_in_full():
    """1/4 each, one of them too hard and one too easy: .25, .25, .025, .025 over .55."""
    mix = dict.fromkeys(("right", "new", "hard", "easy"), 0.25)
    found = shares(mix, {"right": 0.1, "hard": 0.09, "easy": 0.91}, (0.1, 0.9))
    assert found == pytest.approx({"right": 1 / 2.2, "new": 1 / 2.2, "hard": 0.1 / 2.2, "easy": 0.1 / 2.2})
    assert shares(mix, {}, (0.1, 0.9)) == pytest.approx(mix)
    assert shares(mix, dict.fromkeys(mix, 1.0), (0.1, 0.9)) == pytest.approx(mix)  # all too easy: the mix as it was


def test_whole_numbers_add_up_and_places_follow_from_a_number():
    assert counts({"a": 0.5, "b": 0.3, "c": 0.2}, 10) == {"a": 5, "b": 3, "c": 2}
    assert counts({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, 8) == {"a": 3, "b": 3, "c": 2}
    for total in range(30):
        assert sum(counts({"a": 0.17, "b": 0.53, "c": 0.3}, total).values()) == total
    assert asked({"a": range(10), "b": range(100, 110)}, {"a": 2, "b": 1}, 4) == [4, 5, 104]
