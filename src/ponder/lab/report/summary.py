"""What a result says, in a few plain sentences: the top of the page and of the Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.lab.charts import Line, Point, labels, lines
from ponder.lab.report.frontier import by_axis, led_by
from ponder.lab.report.section import amount, percent, span

REACH = 0.9
"""The part of the gain whose size is named."""


def sentences(result: Mapping[str, Any]) -> list[str]:
    """Plain text, no markup; what the result does not hold is not spoken of."""
    return [sentence for part in (_one, _best, _gap, _budgets, _doubts) for sentence in part(result)]


def _one(result: Mapping[str, Any]) -> list[str]:
    said = []
    for name, (curve, point) in _firsts(result).items():
        whose = f" of {name}" if curve.get("model") else f" of {result.get('model', 'the model')}"
        said.append(f"One sample{whose} solves {percent(point['mean'])} of the {result['problems']:,} problems.")
    return said


def _firsts(result: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """A curve and a point of each model that tell its mean."""
    found = dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]()
    for curve in result["curves"]:
        for point in curve["points"]:
            if point.get("mean") is not None:
                found.setdefault(str(curve.get("model")), (curve, point))
    return found


def best(result: Mapping[str, Any]) -> tuple[Line, Point] | None:
    """The line and the point of the highest selected accuracy; of equal ones the cheapest."""
    points = [(line, point) for line in lines(result) if line.role == "selected" for point in line.points]
    return max(points, key=lambda one: (round(one[1].value, 9), -(one[1].tokens or one[1].n)), default=None)


def _best(result: Mapping[str, Any]) -> list[str]:
    found = best(result)
    if found is None:
        return []
    line, top = found
    limits = f" (95 % interval {span((top.low, top.high))})" if top.low is not None else ""
    cost = f", for {amount(top.tokens, 'tokens')} a problem" if top.tokens else ""
    said = [f"The best is {line.name} at n = {top.n}: it solves {percent(top.value)}{limits}{cost}."]
    start = min(line.points, key=lambda point: point.n)
    enough = next((one for one in line.points if one.value >= start.value + REACH * (top.value - start.value)), top)
    if start.n < enough.n < top.n and top.value - start.value > 0.02:
        price = f", for {amount(enough.tokens, 'tokens')}" if enough.tokens else ""
        said.append(f"{percent(REACH, 0)} of its gain over n = {start.n} is there at n = {enough.n}{price}.")
    return said


def _gap(result: Mapping[str, Any]) -> list[str]:
    found = best(result)
    curve = dict(zip(labels(result), result["curves"], strict=True)).get(found[0].name) if found else None
    if found is None or curve is None:
        return []
    oracle = next((point.get("oracle") for point in curve["points"] if point["n"] == found[1].n), None)
    if oracle is None:
        return []
    if oracle - found[1].value < 0.005:
        return ["It finds a right answer wherever its samples hold one (the oracle is no higher)."]
    return [
        f"Among the same samples a right answer is there for {percent(oracle)} (the oracle): a better choice could win up to "
        f"{100 * (oracle - found[1].value):.1f} points."
    ]


def _budgets(result: Mapping[str, Any]) -> list[str]:
    for axis, found in by_axis(result).items():
        said = led_by(labels(result), found["leaders"], axis)
        if said and len({point["curve"] for point in found["points"]}) > 1:
            return [f"What is best for which budget a problem, with its probability: {said}."]
    return []


def _doubts(result: Mapping[str, Any]) -> list[str]:
    settings, said = result.get("settings", {}), list[str]()
    if settings.get("verifier_reads") in ("reference", "tests"):
        read = "reference answers" if settings["verifier_reads"] == "reference" else "hidden tests"
        said.append(f"Careful: the verifier {settings['verifier']} reads the {read}, so what it selected is an oracle's choice.")
    if settings.get("failed"):
        said.append(f"{settings['failed']:,} draws failed; they count as wrong.")
    if result["problems"] < 30:
        said.append(f"With {result['problems']} problems the intervals are wide: take differences with care.")
    return said
