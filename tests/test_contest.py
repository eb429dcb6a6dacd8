"""Ratings from contests: closed forms, the published code's two faults, and the published percentiles where the file is given."""

import json
import os
import random
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.lab.contest import (
    CEILING,
    Standing,
    expected_rank,
    most_likely,
    overall,
    percentile,
    placed,
    rating,
    read_contests,
    read_ratings,
    scored,
)

PEOPLE = [800.0, 1200.0, 1500.0, 1900.0, 2400.0, 3000.0]


def as_published(rank: int, opponents: list[float]) -> int:
    """What the published code computes: whole ratings from 0, of a rank that starts at 0."""
    low, high = 0, int(max(opponents)) + 100
    while high - low > 1:
        middle = (low + high) // 2
        if expected_rank(middle, opponents) < rank:
            high = middle
        else:
            low = middle
    return low


@pytest.mark.parametrize("n", [2, 10, 300])
def test_the_middle_of_n_equal_opponents_is_their_rating(n: int) -> None:
    assert rating((n + 2) / 2, [1500.0] * n) == pytest.approx(1500.0, abs=1e-6)


def test_the_expected_rank_at_the_rating_is_the_rank() -> None:
    for rank in range(2, len(PEOPLE) + 1):
        assert expected_rank(rating(rank, PEOPLE), PEOPLE) == pytest.approx(rank, abs=1e-9)


def test_a_better_rank_is_a_higher_rating_and_the_best_is_capped() -> None:
    found = [rating(rank, PEOPLE) for rank in range(1, len(PEOPLE) + 2)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(max(PEOPLE) + CEILING, abs=1e-6)
    assert found[-1] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="between 1 and 7, not at 8"):
        rating(8, PEOPLE)


def test_the_first_fault_a_rank_from_0_is_one_too_good() -> None:
    """In the middle of ten equals it rates 71 points too high; and both the best and the second best get the cap."""
    equals = [1500.0] * 10
    assert as_published(5, equals) - rating(6, equals) == pytest.approx(70.4, abs=1.0)
    assert as_published(0, PEOPLE) == as_published(1, PEOPLE) == 3099
    assert rating(2, PEOPLE) < rating(1, PEOPLE)


def test_the_second_fault_handles_that_stand_in_one_list_only() -> None:
    """`first and second` is `second`: a participant with a rating but no standing counts as an opponent, which `&` mends."""
    standings = [Standing("ann", 3000.0), Standing("bob", 1000.0), Standing("guest", 2500.0)]
    ratings = {"ann": 2000.0, "bob": 1400.0, "absent": 3500.0}
    handles = {one.handle for one in standings}
    assert (handles and set(ratings)) == {"ann", "bob", "absent"}
    assert handles & set(ratings) == {"ann", "bob"}
    found = placed({"A": [False, True]}, standings, ratings, {"A": 2000.0})
    assert (found.score, found.rank, found.participants) == (1950.0, 2, 2)
    assert found.rating == pytest.approx(rating(2, [2000.0, 1400.0]))
    assert found.rating == pytest.approx(1700.0)


def test_points_lose_50_a_failed_try_and_icpc_adds_10_minutes() -> None:
    tries = {"A": [False, False, True, False], "B": [True], "C": [False] * 8}
    assert scored(tries, {"A": 500.0, "B": 1000.0, "C": 1500.0}) == (1400.0, 0.0)
    assert scored(tries) == (2.0, 20.0)
    assert scored({"A": [False] * 15 + [True]}, {"A": 500.0}) == (0.0, 0.0)
    with pytest.raises(InputError, match="no points are known of the problems B"):
        scored(tries, {"A": 500.0})


def test_a_tie_goes_to_the_people_and_a_lower_penalty_is_better() -> None:
    standings = [Standing("a", 2.0, 10.0), Standing("b", 2.0, 20.0), Standing("c", 2.0, 30.0)]
    found = placed({"A": [False, True], "B": [False, True]}, standings, {"a": 1500.0, "b": 1500.0, "c": 1500.0})
    assert (found.score, found.penalty, found.rank) == (2.0, 20.0, 3)


def test_the_likeliest_rating_solves_as_many_as_are_expected() -> None:
    assert most_likely([True, False], [1500.0, 1500.0]) == pytest.approx(1500.0, abs=1e-6)
    assert most_likely([True] * 10 + [False], [1600.0] * 11) == pytest.approx(2000.0, abs=1e-6)  # odds of 10 are 400 points
    assert most_likely([True, True], [1500.0, 1600.0]) is None
    assert most_likely([False], [1500.0]) is None
    rng = random.Random(1)
    difficulties = [rng.uniform(800, 2600) for _ in range(2000)]
    solved = [rng.random() < 1 / (1 + 10 ** ((one - 1700) / 400)) for one in difficulties]
    assert most_likely(solved, difficulties) == pytest.approx(1700, abs=40)


def test_percentiles_count_who_is_below(tmp_path: Path) -> None:
    path = tmp_path / "ratings.json"
    path.write_text(json.dumps({"1000": 3, "1500.0": 6, "2000": 1}))
    ratings = read_ratings(path)
    assert [percentile(one, ratings) for one in (1000.0, 1000.5, 1500.0, 1999.0, 2500.0)] == [0.0, 30.0, 30.0, 90.0, 100.0]
    path.write_text("[1500, 1000]")
    assert read_ratings(path) == [1000.0, 1500.0]
    path.write_text('{"a": "b"}')
    with pytest.raises(InputError, match="give a JSON list of numbers"):
        read_ratings(path)


def test_the_published_percentiles() -> None:
    """1261 -> 63.6, 1578 -> 89.2, 1673 -> 92.8, 2029 -> 98.1, 2724 -> 99.9 of 717,421 people."""
    folder = os.environ.get("PONDER_DATA")
    path = next(iter(sorted(Path(folder).rglob("sorted_ratings.json"))), None) if folder else None
    if path is None:
        pytest.skip("CodeElo's sorted_ratings.json is not in the folder PONDER_DATA")
    ratings = read_ratings(path)
    assert len(ratings) == 717_421
    assert [percentile(one, ratings) for one in (1261, 1578, 1673, 2029, 2724)] == [63.6, 89.2, 92.8, 98.1, 99.9]


def test_contests_from_a_file_average(tmp_path: Path) -> None:
    contest = {
        "tries": {"A": [True]},
        "standings": [{"handle": str(number), "score": 2.0 - number} for number in range(2)],
        "ratings": {"0": 1500, "1": 1500},
    }
    path = tmp_path / "contests.json"
    path.write_text(json.dumps([contest, contest | {"ratings": {"0": 1700, "1": 1700}}]))
    assert overall(read_contests(path)) == pytest.approx((rating(3, [1500] * 2) + rating(3, [1700] * 2)) / 2)
    path.write_text(json.dumps([{"tries": {}}]))
    with pytest.raises(InputError, match="tries, standings and ratings"):
        read_contests(path)
