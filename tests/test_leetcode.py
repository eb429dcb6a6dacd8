"""LeetCode contests: a right solution passes the tests, a wrong one does not, and every problem has a date."""

import asyncio
from pathlib import Path

import pytest

from ponder.tasks.leetcode import leetcode
from ponder.types import Problem, Sample
from walls import bubblewrap

PUSHES = """Sort nothing, all letters differ:
```python
class Solution:
    def minimumPushes(self, word: str) -> int:
        return sum(place // 8 + {first} for place, _ in enumerate(Counter(word)))
```"""


@pytest.fixture
def problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return leetcode.load("test", None)


@bubblewrap
def test_a_right_solution_passes_and_a_wrong_one_does_not(problems: list[Problem]) -> None:
    assert leetcode.verifier
    texts = [PUSHES.format(first=1), PUSHES.format(first=2), "I do not know."]
    found = asyncio.run(leetcode.verifier(problems[0], [Sample(text) for text in texts]))
    assert [one.value for one in found] == [1.0, 0.0, 0.0]


def test_problems_have_dates_and_difficulties(problems: list[Problem]) -> None:
    dates = [problem.data["date"] for problem in problems]
    assert (len(problems), min(dates), max(dates)) == (178, 1688265000, 1705804200)
    counted = [sum(problem.difficulty == level for problem in problems) for level in (0.0, 0.5, 1.0)]
    assert counted == [45, 89, 44]
