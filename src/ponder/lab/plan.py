"""The answers of `ponder plan`: does it fit, how fast is it, what does it cost, a larger model or more samples, how many machines.

Each is a dictionary of `rows` and `assumptions`: what the figures rest on, said in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ponder.cost import energy, flops, kv
from ponder.cost.architecture import Architecture
from ponder.cost.arrivals import poisson
from ponder.cost.fanout import Draw
from ponder.cost.fleet import Outcome, Scaling, simulate
from ponder.cost.hardware import CHIPS, Chip
from ponder.cost.roofline import Roofline
from ponder.cost.server import Server, of_roofline
from ponder.errors import InputError
from ponder.lab.traffic import Kind, only, usage
from ponder.types import Price

Plan = dict[str, Any]
YEAR = 365.25


def fit(model: Architecture, chips: Sequence[Chip], line: Roofline, context: int) -> Plan:
    """How many of each chip hold the weights and one stream of a context, and how many streams those hold then."""
    rows = []
    for chip in chips:
        one = replace(line, chip=chip, model=model)
        need = chip.holding((one.weights + context * kv.per_token(model, one.cache)) / one.usable)
        held = replace(one, chips=need)
        rows.append(
            {
                "chip": chip.name, "memory_gb": chip.memory / 1e9, "fits_one": need == 1, "chips": need,
                "streams": held.streams(context), "tokens_per_second": 1 / held.step(1, context),
            }
        )  # fmt: skip
    each = kv.per_token(model, line.cache)
    facts = {
        "model": model.name, "parameters": model.parameters, "weights_gb": line.weights / 1e9, "kv_bytes_per_token": each,
        "kv_gb_per_stream": each * context / 1e9, "context": context,
    }  # fmt: skip
    return facts | {
        "rows": rows,
        "assumptions": [_bits(line), f"{line.usable:.0%} of the memory is for weights and cache", _reached(line)],
    }


def latency(lines: dict[str, Roofline], batches: Sequence[int], context: int, tokens: int) -> Plan:
    """Seconds of a step, rates, the seconds of an answer, joules and dollars, at some batches, for each named roofline."""
    rows = []
    for name, line in lines.items():
        line.require()
        for batch in batches:
            step, mean = line.step(batch, context + tokens / 2), context + tokens / 2
            hour = line.chip.usd_hour and line.chip.usd_hour * line.chips
            rows.append(
                {
                    "on": name, "batch": batch, "step_ms": step * 1e3,
                    "bound_by": "reading" if line.reading(batch, mean) >= line.computing(batch, mean) else "computing",
                    "tokens_per_second": 1 / step, "all_tokens_per_second": batch / step,
                    "answer_seconds": line.prompt(context) + tokens * step, "fits_memory": batch <= line.streams(context + tokens),
                    "joules_per_token": _watts(line) and energy.per_token(_watts(line) or 0.0, step, batch),
                    "usd_per_million": hour and hour / 3600 * step / batch * 1e6,
                }
            )  # fmt: skip
    [*_, last] = lines.values()
    knees = {name: line.knee(context + tokens / 2) for name, line in lines.items()}
    streams = {name: line.streams(context + tokens) for name, line in lines.items()}
    said = [*_model(last), f"a prompt of {context} tokens, an answer of {tokens}; the step is that of the mean context"]
    return {"knee": knees, "streams": streams, "rows": rows, "assumptions": said + _power(last)}


def cost(
    kinds: Sequence[Kind], line: Roofline | None, price: Price | None, *, queries: float, batch: int = 64, said: Sequence[str] = ()
) -> Plan:
    """Tokens, FLOPs, dollars and watt-hours a query of each kind and of the mix, and a year of so many queries a day.

    At a vendor's `price`, or on one's own chips (`line`), kept busy with `batch` streams. `said`: what the traffic assumes.
    """
    rows = [_costs(kind, line, price, batch) for kind in kinds]
    mean = {"kind": "all", "share": 1.0}
    for key in rows[0].keys() - mean.keys():
        parts = [row[key] for row in rows]
        mean[key] = None if None in parts else sum(row["share"] * part for row, part in zip(rows, parts, strict=True))
    if len(rows) > 1:
        rows.append({key: mean[key] for key in rows[0]})
    for row in rows:
        row["usd_per_year"] = row["usd"] and row["usd"] * queries * YEAR * row["share"]
        row["mwh_per_year"] = row["wh"] and row["wh"] * queries * YEAR * row["share"] / 1e6
    assumed = [f"{queries:,.0f} queries a day, all year", *said]
    if price is not None:
        assumed.append(
            f"${price.prompt * 1e6:g} a million prompt tokens, ${price.completion * 1e6:g} completion; cached ones {_cached(price)}"
        )
    elif line is not None:
        assumed += [*_model(line), f"chips that are never idle, with {batch} streams at once", *_rent(line), *_power(line)]
    return {"rows": rows, "assumptions": assumed}


def _costs(kind: Kind, line: Roofline | None, price: Price | None, batch: int) -> dict[str, Any]:
    spent = usage(kind)
    row: dict[str, Any] = {"kind": kind.name, "share": kind.share, "draws": kind.draws, "rounds": kind.rounds}
    row |= {"prompt": spent.prompt - spent.cached, "cached": spent.cached, "tokens": spent.completion}
    row |= {"flops": None, "usd": None if price is None else price.usd(spent), "wh": None}
    if line is not None:
        seconds = sum(_seconds(line, draw, batch) for one in kind.fanouts for draw in one) / len(kind.fanouts)
        work = [flops.prefill(line.model, int(draw.prompt), int(draw.prompt - draw.new)) for one in kind.fanouts for draw in one]
        work += [flops.decode(line.model, int(draw.tokens), int(draw.prompt)) for one in kind.fanouts for draw in one]
        row["flops"] = sum(work) / len(kind.fanouts)
        if price is None:
            watts, hour = _watts(line), line.chip.usd_hour
            row["usd"] = hour and hour * line.chips * seconds / 3600
            row["wh"] = watts and watts * energy.LOAD * energy.PUE * seconds / 3600
    return row


def _seconds(line: Roofline, draw: Draw, batch: int) -> float:
    """A draw's part of the chips' time: its prompt's computing, and its share of the steps."""
    context = draw.prompt + draw.tokens / 2
    alone = line.prompt(int(draw.prompt), int(draw.prompt - draw.new)) if draw.new >= 1 else 0.0
    return alone + draw.tokens * line.step(batch, context) / batch


def exchange(small: Architecture, large: Architecture, ratios: Sequence[float], needed: float | None) -> Plan:
    """For the FLOPs of the larger model, how many times its tokens the smaller one may spend (`training_laws.exchange`)."""
    from ponder.lab.training_laws import exchange as rates

    sizes = [one.active or one.parameters for one in (small, large)]
    found = rates(sizes[1] / sizes[0], ratios, needed)
    return {
        "small": small.name, "large": large.name, "multiple": found["multiple"], "needed": needed, "rows": found["rates"],
        "assumptions": [
            f"{found['formula']} (Snell et al. 2024): training and inference FLOPs of both models' lives are equal",
            "M is the ratio of the active parameters; R is inference tokens over training tokens, of the larger model",
            "both are trained on as many tokens; attention and verifiers are left out",
            "`needed` is yours to measure: the samples with which the smaller model is as good (`ponder scale`)",
        ],
    }  # fmt: skip


def fleet(
    kinds: Sequence[Kind], line: Roofline, *, rate: float, seconds: float, slo: float, replicas: int | None, batch: int = 256,
    scaling: Scaling | None = None, seed: int = 0, said: Sequence[str] = (),
) -> Plan:  # fmt: skip
    """A simulated fleet under the mix, and under the first kind alone: latencies, what meets the SLO, the bill.

    Without `replicas`, the fewest of which 99 % of the queries are answered within `slo` seconds: then the bills tell what the mix
    costs. Raises `InputError` where no number of replicas can do that.
    """
    server = of_roofline(line, batch)
    runs = {"the mix": kinds} | ({f"{kinds[0].name} alone": only(kinds[0])} if len(kinds) > 1 else {})
    rows = []
    for name, of in runs.items():
        count = replicas or _fewest(of, server, rate, min(seconds, max(4 * slo, 2000 / rate)), slo, seed)
        found = _simulated(of, server, rate, seconds, count, scaling, seed)
        parts = [("all", None), *((kind.name, place) for place, kind in enumerate(of))] if len(of) > 1 else [("all", None)]
        rows += [_served(name, kind, place, found, slo) for kind, place in parts]
    assumed = [
        f"{rate:g} queries a second for {seconds:g} s (Poisson), each to the less loaded of two replicas chosen at random",
        f"replicas as given: {replicas}" if replicas else f"the fewest replicas with p99 within {slo:g} s, found on a shorter run",
        *said, *_model(line),
        f"at most {batch} streams a replica; a prompt holds decoding up; all draws of a query on one replica",
        *_rent(line), *_power(line),
    ]  # fmt: skip
    if scaling is not None:
        assumed.append(
            f"scaled to {scaling.target:g} draws a replica every {scaling.every:g} s; a new one serves after {scaling.startup:g} s"
        )
    return {"slo_seconds": slo, "rows": rows, "assumptions": assumed}


def _fewest(kinds: Sequence[Kind], server: Server, rate: float, seconds: float, slo: float, seed: int) -> int:
    """The least number of replicas with p99 within the SLO, by doubling and halving."""

    def good(count: int) -> bool:
        return _simulated(kinds, server, rate, seconds, count, None, seed).quantile(0.99) <= slo

    high = 1
    while not good(high):
        high *= 2
        if high > 16 * rate * slo:
            raise InputError(f"p99 stays above {slo:g} s however many replicas there are: a query alone takes longer; raise --slo")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def _simulated(
    kinds: Sequence[Kind], server: Server, rate: float, seconds: float, replicas: int, scaling: Scaling | None, seed: int
) -> Outcome:
    import numpy as np

    times = poisson(rate, seconds, seed)
    if not len(times):
        raise InputError(f"no query arrives at {rate:g} a second within {seconds:g} s; give a longer time")
    chosen = np.random.default_rng([seed, 3]).choice(len(kinds), len(times), p=[kind.share for kind in kinds])
    return simulate(times, chosen, [kind.fanouts for kind in kinds], server, replicas, scaling=scaling, seed=seed)


def _served(run: str, name: str, place: int | None, found: Outcome, slo: float) -> dict[str, Any]:
    chosen = slice(None) if place is None else found.kind == place
    usd, watt_hours = (found.usd, found.joules()) if place is None else (found.bill(place), None)
    return {
        "run": run, "kind": name, "replicas": found.paid / found.end, "queries": len(found.latency[chosen]),
        **{f"p{share}": found.quantile(share / 100, place) for share in (50, 95, 99)},
        "within_slo": float((found.latency[chosen] <= slo).mean()),
        "tokens_per_second": float(found.tokens[chosen].sum()) / found.end,
        "usd_per_hour": usd and usd / found.end * 3600,
        "usd_per_query": usd and usd / len(found.latency[chosen]), "kw": watt_hours and watt_hours / found.end / 1e3,
    }  # fmt: skip


def changed(chip: Chip, changes: dict[str, str]) -> Chip:
    """A chip with figures replaced: `bandwidth=x2`, `memory=141e9`. Raises `InputError` for another name or value."""
    known = ("flops", "flops8", "memory", "bandwidth", "watts", "usd_hour")
    values: dict[str, Any] = {}
    for name, text in changes.items():
        try:
            values[name] = getattr(chip, name) * float(text[1:]) if text.startswith("x") else float(text)
        except (AttributeError, TypeError, ValueError):
            raise InputError(
                f"cannot change {name}={text}: take one of {', '.join(known)} and a number, or a factor as x2"
            ) from None
    return replace(chip, **values)


def table() -> list[Chip]:
    """The chips that a model may fit."""
    return list(CHIPS.values())


def _watts(line: Roofline) -> float | None:
    return line.chip.watts and line.chip.watts * line.chips


def _cached(price: Price) -> str:
    return "cost as much" if price.cached is None else f"${price.cached * 1e6:g}"


def _bits(line: Roofline) -> str:
    return f"{line.model.name}, {line.weight * 8:g}-bit weights, {line.cache * 8:g}-bit cache"


def _reached(line: Roofline) -> str:
    if line.compute == line.read == 1:
        return "the roofline's bound is reached (--reached: docs/cost.md says what is usual); chips talk for nothing"
    return f"{line.compute:.0%} of the FLOP/s and {line.read:.0%} of the bytes/s are reached; chips talk for nothing"


def _model(line: Roofline) -> list[str]:
    return [_bits(line), f"{line.chips} x {line.chip.name} ({line.chip.source})", _reached(line)]


def _rent(line: Roofline) -> list[str]:
    chip = line.chip
    if chip.usd_hour is None:
        return [f"the price of {chip.name} is unknown: give --usd-hour"]
    return [f"${chip.usd_hour:g} an hour and chip{f' ({chip.listed}, {chip.date})' if chip.listed else ''}"]


def _power(line: Roofline) -> list[str]:
    if line.chip.watts is None:
        return [f"the power of {line.chip.name} is unknown: no energy is given"]
    return [
        f"{line.chip.watts:g} W at most a chip; of a fleet's or a year's energy {energy.LOAD:.0%} of it, times PUE {energy.PUE:g}"
    ]
