"""The lines of a result: named, told apart by role, shared ones drawn once; and the figure's specification."""

from typing import Any

from ponder.lab.charts import COLOURS, NEUTRAL, figure, labels, lines, rows


def curve(strategy: str, selected: list[float | None], oracle: float = 0.5, **parameters: Any) -> dict[str, Any]:
    points = [
        {
            "n": 2**index,
            "tokens": 100 * 2**index,
            "seconds": None,
            "selected": value,
            "oracle": oracle,
            "mean": 0.2,
            "interval": [0.1, 0.9],
        }
        for index, value in enumerate(selected)
    ]
    return {"strategy": strategy, "parameters": parameters, "points": points}


def result(*curves: dict[str, Any]) -> dict[str, Any]:
    return {"task": "countdown", "model": "builtin:mini", "problems": 20, "curves": list(curves), "fits": []}


def test_strategies_on_the_same_samples_share_oracle_and_mean() -> None:
    drawn = lines(result(curve("best-of-n", [0.2, 0.4]), curve("self-consistency", [0.2, 0.3]), curve("direct", [0.2])))
    assert [(line.name, line.role) for line in drawn] == [
        ("best-of-n", "selected"),
        ("self-consistency", "selected"),
        ("direct", "selected"),
        ("oracle: any of n", "oracle"),
        ("mean: one sample", "mean"),
    ]
    assert [point.value for point in drawn[0].points] == [0.2, 0.4]
    assert (drawn[0].points[0].low, drawn[3].points[0].low) == (0.1, None)


def test_oracles_that_differ_are_named_by_their_strategy() -> None:
    drawn = lines(result(curve("direct", [0.2, 0.2]), curve("chain-of-thought", [0.2, 0.3], oracle=0.7)))
    assert [line.name for line in drawn if line.role == "oracle"] == ["oracle, direct", "oracle, chain-of-thought"]


def test_parameters_name_a_curve_only_where_they_tell_it_apart() -> None:
    twice = result(curve("beam", [0.1], width=2, seed=0), curve("beam", [0.2], width=4, seed=0), curve("direct", [0.1], seed=0))
    assert labels(twice) == ["beam (width=2)", "beam (width=4)", "direct"]


def test_a_point_without_a_value_is_not_drawn() -> None:
    drawn = lines(result(curve("best-of-n", [None, 0.4])))
    assert [point.n for point in drawn[0].points] == [2]


def test_the_figure_holds_every_point_and_colours_only_what_was_selected() -> None:
    measured = result(curve("best-of-n", [0.2, 0.4]), curve("self-consistency", [0.2, 0.3]))
    spec = figure(measured, axis="tokens").to_dict()
    assert list(spec["datasets"].values()) == [rows(measured)]
    assert len(rows(measured)) == 8
    colour = spec["layer"][1]["encoding"]["color"]["scale"]
    assert colour["range"] == [*COLOURS[:2], NEUTRAL, NEUTRAL]
    assert {"name": "axis", "value": "tokens"} in spec["params"]
    assert any(param["name"] == "highlight" and param["bind"] == "legend" for param in spec["params"])
    assert spec["layer"][1]["encoding"]["x"]["axis"]["title"] == "tokens per problem"
