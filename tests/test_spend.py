"""What draws cost by axis and by whom; what is unknown is left out and never nought."""

import pytest

from ponder.lab.spend import averaged, columns, parts, spent, total
from ponder.trace import Event


def draw(number: int, role: str = "policy", finish: str = "stop", **more: object) -> Event:
    usage = {"calls": 1, "prompt": 10, "cached": 4, "completion": 5}
    data = {"role": role, "usage": usage, "finish_reason": finish, "usd": 0.5, "flops": 1e6, "share": 0.25} | more
    return Event(number, "drawn", 0.0, None, data)


def test_every_axis_adds_up_or_is_unknown() -> None:
    assert spent([draw(0), draw(1, usd=None)]) == {"tokens": 22.0, "flops": 2e6, "usd": None, "seconds": 0.5, "joules": None}
    assert spent([draw(0, joules=2.0), draw(1, joules=3.0)])["joules"] == 5.0
    assert total([]) == 0.0


def test_tokens_by_who_they_went_to() -> None:
    events = [
        draw(0),
        draw(1, "replayed", origin="policy"),
        draw(2),
        draw(3, finish="cancelled"),
        draw(4, "verifier"),
        draw(5, "router"),
        Event(6, "pruned", 0.0, 2),
    ]
    found = parts(events)
    assert found == {"prompt": 12, "completion": 10, "discarded": 22, "verifier": 11, "judge": 0, "other": 11}
    assert sum(found.values()) == spent(events)["tokens"]
    assert averaged([found, dict.fromkeys(found, 0.0)], 4)["completion"] == 20


def test_an_axis_that_one_problem_does_not_know_is_no_column() -> None:
    found = columns([spent([draw(0)]), spent([draw(1, usd=None)])])
    assert set(found) == {"tokens", "flops", "seconds"}
    assert found["tokens"] == pytest.approx([11, 11])
