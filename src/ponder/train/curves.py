"""A run's curves - reward, accuracy, length, divergence, entropy - read from its folder, for a terminal and for a page.

They come from steps.jsonl (`grpo.learn`) or from the log that TRL keeps in its checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponder.errors import InputError
from ponder.lab.charts import COLOURS, styled
from ponder.lab.report import document
from ponder.lab.report.section import Chart, Section, table, text
from ponder.train.monitor import Signs, Watch, warnings

if TYPE_CHECKING:
    from rich.console import RenderableType

CURVES = {
    "reward": ("mean reward", ".3f"),
    "accuracy": ("right by the held-out verifier", ".3f"),
    "tokens": ("tokens an answer", ".0f"),
    "kl": ("divergence", ".2g"),
    "entropy": ("entropy, nats a token", ".3f"),
}
"""What is shown, in words, and how its values are written."""
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Step:
    """A step in numbers; None is unknown. `kl`: the divergence that the run's own log tells, on a CPU from the policy that drew, in
    TRL from the reference model. `seconds` is how long the step took, `signs` are the monitor's."""

    step: int
    reward: float | None
    accuracy: float | None
    tokens: float | None
    kl: float | None
    entropy: float | None
    seconds: float | None
    signs: Signs | None


def step(line: Mapping[str, Any]) -> Step:
    """A line of steps.jsonl, or of TRL's log. The accuracy is the reward less its gap to the held-out verifier."""
    signs = line.get("signs") or {one.name: line.get(f"signs/{one.name}") for one in fields(Signs)}
    seen = Signs(**signs) if signs["length"] is not None else None
    known = seen is not None and seen.reward is not None and seen.gap is not None
    return Step(
        step=int(line["step"]),
        reward=_known(line.get("reward")),
        accuracy=seen.reward - seen.gap if known else None,  # type: ignore[union-attr,operator]  # `known` says so
        tokens=line.get("tokens", line.get("completions/mean_length")),
        kl=line.get("kl"),
        entropy=line.get("entropy"),
        seconds=line.get("seconds", line.get("step_time")),
        signs=seen,
    )


def _known(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value


def read(folder: Path) -> list[Step]:
    """The steps of the run in `folder`. Raises InputError where there is none."""
    own, kept = folder / "steps.jsonl", list(folder.glob("checkpoint-*/trainer_state.json"))
    if own.exists():
        lines = [json.loads(line) for line in own.read_text().splitlines()]
    elif kept:
        lines = json.loads(max(kept, key=lambda path: int(path.parent.name[11:])).read_text())["log_history"]
    else:
        raise InputError(f"`{folder}` holds no run: neither steps.jsonl nor checkpoint-*/trainer_state.json; name a run's folder")
    found = [step(line) for line in lines if "reward" in line]
    if not found:
        raise InputError(f"the run in `{folder}` has not come to the end of its first step")
    return found


def values(steps: Sequence[Step], curve: str) -> list[float]:
    """The known values of a curve, in order."""
    return [value for one in steps if (value := getattr(one, curve)) is not None]


def spark(numbers: Sequence[float], width: int = 40) -> str:
    """At most `width` bars, from the lowest value to the highest; each is the mean of as many neighbours."""
    size = -(-len(numbers) // width)
    means = [sum(part) / len(part) for at in range(0, len(numbers), size) for part in [numbers[at : at + size]]]
    low, span = min(means), max(means) - min(means)
    return "".join(BARS[round((mean - low) / span * (len(BARS) - 1)) if span else 0] for mean in means)


def plain(one: Step) -> str:
    """A step on one line."""
    told = [f"{name} {getattr(one, name):{CURVES[name][1]}}" for name in CURVES if getattr(one, name) is not None]
    return "  ".join([f"step {one.step}", *told])


def panel(steps: Sequence[Step], total: int | None = None) -> RenderableType:
    """The curves so far on a terminal: a line each, with its first and its last value, and what the monitors say of the last
    step."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, (_, form) in CURVES.items():
        if found := values(steps, name):
            rows.add_row(name, Text(spark(found), "cyan"), f"{found[0]:{form}} → {found[-1]:{form}}")
    for name, sentence in alarms(steps).get(steps[-1].step, {}).items():
        rows.add_row(Text(name, "yellow"), Text(sentence, "yellow", overflow="fold"))
    pace = values(steps[-20:], "seconds")
    title = (
        f"step {steps[-1].step}" + (f" of {total}" if total else "") + (f" · {sum(pace) / len(pace):.1f} s a step" if pace else "")
    )
    return Panel(rows, title=title, title_align="left", expand=False)


def alarms(steps: Sequence[Step]) -> dict[int, dict[str, str]]:
    """The steps at which a sign was beyond its usual limit: its name and a sentence."""
    seen = [(one.step, one.signs) for one in steps if one.signs is not None]
    found = {number: warnings(signs, seen[0][1], Watch().limits) for number, signs in seen}
    return {number: told for number, told in found.items() if told}


def section(steps: Sequence[Step]) -> Section:
    """The curves as a part of a page."""
    drawn = [name for name in CURVES if values(steps, name)]
    charts = [
        Chart(name, _spec(steps, name, colour), f"{CURVES[name][0]}: {_moved(steps, name)}", heading=CURVES[name][0])
        for name, colour in zip(drawn, COLOURS, strict=False)
    ]
    about = "Each step, and the mean of the ten around it. Touch a line for its numbers."
    rows = [[str(one.step), *(_cell(one, name) for name in drawn)] for one in steps]
    return Section("curves", "Curves", about, charts, (["step", *drawn], rows))


def watched(steps: Sequence[Step]) -> Section | None:
    """What the monitors said, as a part of a page: each sign at the steps where it went beyond its limit."""
    found, rows, before = alarms(steps), list[list[str]](), set[str]()
    for one in steps:
        told = found.get(one.step, {})
        rows += [[str(one.step), text(name), text(sentence)] for name, sentence in told.items() if name not in before]
        before = set(told)
    about = "Where a sign went beyond its usual limit (docs/monitor.md); it is told again only when it was within it in between."
    body = f'<div class="card">{table(["step", "sign", "what was seen"], rows)}</div>'
    return Section("monitors", "Monitors", about, body=body) if rows else None


def page(folder: Path, path: Path) -> Path:
    """Write the run in `folder` as one page that loads nothing; returns its path. Raises InputError for a folder without a run."""
    steps = read(folder)
    parts = [part for part in (section(steps), watched(steps)) if part]
    told = [f"{name}: {_moved(steps, name)}." for name in CURVES if values(steps, name)]
    shown = {"folder": str(folder), "steps": len(steps)}
    path.write_text(document(f"Training: {folder.name}", f"{len(steps):,} steps", told, [], parts, shown), encoding="utf-8")
    return path


def _moved(steps: Sequence[Step], name: str) -> str:
    """From where to where: the means of the first and of the last tenth of a curve."""
    found, form = values(steps, name), CURVES[name][1]
    part = max(1, len(found) // 10)
    return f"{sum(found[:part]) / part:{form}} at first, {sum(found[-part:]) / part:{form}} at last"


def _cell(one: Step, name: str) -> str:
    value = getattr(one, name)
    return "–" if value is None else f"{value:{CURVES[name][1]}}"


def _spec(steps: Sequence[Step], name: str, colour: str) -> dict[str, Any]:
    import altair as alt

    data = alt.InlineData(
        values=[{"step": one.step, "value": getattr(one, name)} for one in steps if getattr(one, name) is not None]
    )
    form = CURVES[name][1]
    base = alt.Chart(data).encode(x=alt.X("step:Q").axis(format="~s", tickCount=5))
    axis = alt.Y("value:Q").scale(zero=False).axis(title=None, tickCount=4)
    shown = ["step:Q", alt.Tooltip("value:Q", title=name, format=form)]
    each = base.mark_line(strokeWidth=1, opacity=0.45, color=colour, tooltip=True).encode(y=axis, tooltip=shown)
    mean = base.transform_window(around="mean(value)", frame=[-5, 4]).mark_line(strokeWidth=2.5, color=colour)
    drawn = alt.layer(each, mean.encode(y=alt.Y("around:Q").axis(title=None))).properties(width="container", height=150)
    return styled(drawn).to_dict()
