"""The terminal's chart and table: they fit 80 columns, read without colour, and put each mark where its value is."""

from io import StringIO
from typing import Any

from rich.console import Console

from ponder.lab.terminal import terminal_chart, terminal_table


def curve(strategy: str, selected: list[float], seconds: float | None = 0.5) -> dict[str, Any]:
    points = [
        {
            "n": 4**index,
            "tokens": 1_500 * 4**index,
            "seconds": seconds,
            "selected": value,
            "oracle": 0.8,
            "mean": 0.2,
            "interval": [0.15, 0.85],
        }
        for index, value in enumerate(selected)
    ]
    return {"strategy": strategy, "parameters": {}, "points": points}


def result(*curves: dict[str, Any]) -> dict[str, Any]:
    return {"task": "countdown", "model": "builtin:mini", "problems": 20, "curves": list(curves), "fits": []}


def printed(renderable: Any, width: int = 80, colour: bool = False) -> list[str]:
    file = StringIO()
    system: Any = "standard" if colour else None
    Console(file=file, width=width, color_system=system, force_terminal=colour, legacy_windows=False).print(renderable)
    return file.getvalue().splitlines()


def test_lines_end_in_their_names_from_the_best_down() -> None:
    shown = printed(terminal_chart(result(curve("self-consistency", [0.2, 0.3, 0.4]), curve("best-of-n", [0.2, 0.4, 0.6]))))
    ends = [line[54:].strip() for line in shown if "%" in line[54:]]
    assert ends == ["○ 80.0% oracle: any of n", "■ 60.0% best-of-n", "● 40.0% self-consistency", "· 20.0% mean: one sample"]
    assert max(map(len, shown)) <= 80


def test_marks_stand_where_the_values_are() -> None:
    """Three values in equal steps of accuracy at n = 1, 4, 16, equal steps of a logarithm: the marks lie on a straight line."""
    shown = printed(terminal_chart(result(curve("best-of-n", [0.2, 0.4, 0.6])), height=17))[2:19]
    marks = [(row, column) for row, line in enumerate(shown) for column, sign in enumerate(line[:54]) if sign == "●"]
    (row_3, column_3), (row_2, column_2), (row_1, column_1) = marks
    assert abs((row_1 - row_2) - (row_2 - row_3)) <= 1
    assert abs((column_3 - column_2) - (column_2 - column_1)) <= 1
    axis = printed(terminal_chart(result(curve("best-of-n", [0.2, 0.4, 0.6])), height=17))[20]
    assert [axis[column] for column in (column_1, column_2)] == ["1", "4"]


def test_names_that_would_meet_make_room() -> None:
    shown = printed(terminal_chart(result(*(curve(f"strategy-{index}", [0.2, 0.2]) for index in range(6)))))
    assert sum("20.0% strategy-" in line for line in shown) == 6


def test_one_value_of_n_and_no_success_are_drawn_too() -> None:
    nothing = curve("direct", [0.0])
    nothing["points"][0] |= {"oracle": 0.0, "mean": 0.0}
    assert any("0.0% direct" in line for line in printed(terminal_chart(result(nothing))))


def test_colour_is_only_an_addition() -> None:
    chart = terminal_chart(result(curve("best-of-n", [0.2, 0.4])))
    assert any("\x1b[" in line for line in printed(chart, colour=True))
    assert not any("\x1b[" in line for line in printed(chart))


def test_the_table_has_a_row_a_point_and_a_bar_within_the_oracle() -> None:
    shown = printed(terminal_table(result(curve("best-of-n", [0.2, 0.4]), curve("self-consistency", [0.2, 0.25], seconds=None))))
    assert max(map(len, shown)) <= 80
    first = next(line for line in shown if "best-of-n" in line).split()
    assert first == ["best-of-n", "1", "20.0%", "15–85%", "━━╌╌╌╌╌╌╌╌", "80.0%", "1,500", "0.50"]
    assert sum("80.0%" in line for line in shown) == 4
    assert [line.split()[-1] for line in shown if "80.0%" in line] == ["0.50", "0.50", "–", "–"]
