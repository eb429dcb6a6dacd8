"""HumanEval+ and MBPP+: reference programs pass, programs that pass the original tests alone do not, inputs have their types."""

import asyncio
from pathlib import Path

import pytest

from ponder import tasks
from ponder.tasks.evalplus import like, shown, typed
from ponder.types import Problem, Sample, Score
from walls import bubblewrap


@pytest.fixture
def load(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PONDER_DATA", str(data))
    return lambda name, limit=None: tasks.get(name).load("test", limit)


def graded(*asked: tuple[Problem, str]) -> list[Score]:
    async def judge() -> list[list[Score]]:
        return await asyncio.gather(*(problem.task.verifier(problem, [Sample(text)]) for problem, text in asked))

    return [score for (score,) in asyncio.run(judge())]


@bubblewrap
def test_reference_programs_pass_and_the_original_tests_alone_are_not_enough(load) -> None:
    """All do but 2 of MBPP+ (255, 599), which take longer than the time limit: `python runs/references.py`."""
    human, mbpp = load("humaneval-plus"), load("mbpp-plus", 60)
    chosen = [human[number] for number in (0, 2, 32, 115)] + [
        one for one in mbpp if one.data["entry"] in ("similar_elements", "sum")
    ]
    chosen += [mbpp[number] for number in (20, 40)]
    shortcut = (
        "def has_close_elements(numbers, threshold):\n    kept = [one for one in numbers if one < 27]\n"
        "    return len(kept) != len(numbers) or any(abs(a - b) < threshold for i, a in enumerate(kept) for b in kept[:i])\n"
    )
    found = graded(*((one, one.reference or "") for one in chosen), (human[0], f"```python\n{shortcut}```"))
    assert [score.error for score in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1].steps == (1.0, 0.0)
    assert (len(human), human[0].data["examples"]) == (164, tasks.get("humaneval").load("test", 1)[0].data["examples"])


def test_inputs_have_the_types_of_the_original_assertions() -> None:
    assert like((1, 2), [3, 4, 5]) == (3, 4, 5)
    assert like([(1, 2), 3], [[4, 5], 6, [7]]) == [(4, 5), 6, (7,)]
    assert like((4, (7, (2, 4))), [1, [2, [3, [4, 5]]]]) == (1, (2, (3, (4, 5))))
    assert like([{1, 2}, {3}], [[1], [2, 2]]) == [{1}, {2}]
    assert like({"a": (1,)}, {"b": [2, 3]}) == {"b": (2, 3)}
    assert like("text", [1]) == [1]
    asserted = "import math\nassert f((1, 2), 1j) == 3\nassert math.isclose(f((3,), 2), f(g(1), 2))"
    assert shown(asserted, "f") == [[(1, 2), 1j], [(3,), 2]]
    assert typed([[[1], "2j"], [[5, 6], "7"], [[8], "word"]], asserted, "f") == [[(1,), 2j], [(5, 6), 7.0], [(8,), "word"]]


def test_every_input_of_mbpp_plus_is_typed(load) -> None:
    first = load("mbpp-plus", 1)[0].data["tests"][0].code
    assert "for given_ in [[(3, 4, 5, 6), (5, 7, 4, 10)]" in first
