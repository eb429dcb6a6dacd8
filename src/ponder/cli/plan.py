"""`ponder plan`: what a model needs, how fast it is, what a mix of strategies costs, and how many machines serve it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.table import Table

from ponder.cli import given, show
from ponder.cost import architecture, hardware, prices
from ponder.cost.architecture import Architecture
from ponder.cost.fleet import Scaling
from ponder.cost.roofline import Roofline
from ponder.errors import InputError
from ponder.lab import plan as plans
from ponder.lab.traffic import Kind, read, traffic
from ponder.models import catalog
from ponder.policy import policy as policies

plan = App(name="plan", help="Plan capacity and cost: fit, latency, cost, exchange, fleet. Every answer prints its assumptions.")


@Parameter(name="*")
@dataclass(frozen=True)
class Machine:
    """What serves the model.

    Parameters
    ----------
    chip
        A100, H100, H200, B200, TPUv4, TPUv5e, LPU, or cpu: the processor at hand, measured.
    chips
        How many share every layer of the model.
    weight_bits
        Bits a weight.
    cache_bits
        Bits of a cached key or value.
    reached
        What parts of the peak FLOP/s and bytes/s are reached, as .5 or .5,.6; 1 is a bound that nothing can beat.
    change
        Other figures of the chip, as bandwidth=x2 or memory=141e9,usd_hour=2.5.
    """

    chip: str = "H100"
    chips: int = 1
    weight_bits: float = 16
    cache_bits: float = 16
    reached: str = "1"
    change: Annotated[str, Parameter(alias="--set")] = ""

    def line(self, model: str) -> Roofline:
        """The roofline of a model, by name or file, on these chips as they are, without changes."""
        reached = _numbers("--reached", self.reached)
        return Roofline(
            hardware.chip(self.chip), _shape(model), self.chips, self.weight_bits / 8, self.cache_bits / 8, reached[0], reached[-1]
        )  # fmt: skip

    def changed(self, line: Roofline) -> Roofline:
        """With the changes, and a name that tells them."""
        if not self.change:
            return line
        pairs = [one.partition("=") for one in self.change.split(",")]
        chip = plans.changed(line.chip, {name.strip(): value.strip() for name, _, value in pairs})
        return replace(line, chip=replace(chip, name=f"{chip.name} with {self.change}"))


@Parameter(name="*")
@dataclass(frozen=True)
class Mix:
    """What is asked.

    Parameters
    ----------
    mix
        Strategies or efforts with their shares, as direct=90,best-of-n(n=16)=10 or minimal=50,high=50.
    tokens
        Mean tokens of one sample's answer.
    prompt
        Tokens of a question.
    accuracy
        The mean chance that one sample is right: it decides where early stops stop.
    policy
        What an effort runs: a file of `ponder tune`, or `countdown` or `arithmetic`, which ship.
    seed
        For fan-outs and arrivals.
    json
        Print one JSON object instead.
    """

    mix: str = "direct=90,best-of-n(n=16)=10"
    tokens: float = 500
    prompt: float = 300
    accuracy: float = 0.5
    policy: str = "countdown"
    seed: int = 0
    json: bool = False

    def kinds(self) -> list[Kind]:
        """The traffic, recorded on the simulated model."""
        settings = {"tokens": self.tokens, "prompt": self.prompt, "accuracy": self.accuracy, "seed": self.seed}
        return asyncio.run(traffic(self.mix, policy=_policy(self.policy), **settings))  # type: ignore[arg-type]

    def said(self) -> list[str]:
        """What the traffic assumes."""
        efforts = [name for name, _ in read(self.mix) if name in policies.EFFORTS]
        told = [f"answers of {self.tokens:g} tokens, questions of {self.prompt:g}; {self.accuracy:g} of single samples are right"]
        told += (
            [f"{', '.join(efforts)}: what the policy `{self.policy}` runs, in samples, its difficulties included"]
            if efforts
            else []
        )
        return [*told, "how strategies fan out was recorded on the simulated model; no verifier model is in it"]


@plan.command
def fit(model: str, /, *, context: int = 8192, machine: Machine = Machine(), json: bool = False) -> None:
    """Does it fit on one chip, and how many streams fit beside the weights?

    Example: ponder plan fit llama-3-70b --weight-bits 8

    Parameters
    ----------
    model
        A well-known model such as Qwen/Qwen2.5-7B-Instruct, builtin:mini, a GGUF file or a config.json.
    context
        Tokens of a stream, prompt and answer.
    json
        Print one JSON object instead.
    """
    _show(plans.fit(_shape(model), plans.table(), machine.line(model), context), json)


@plan.command
def latency(
    model: str,
    /,
    *,
    batch: str = "1,8,64,256",
    context: int = 1024,
    tokens: int = 500,
    machine: Machine = Machine(),
    json: bool = False,
) -> None:
    """How fast is it, alone and in a batch; and what if a figure of the chip were another?

    Example: ponder plan latency llama-3-8b --set bandwidth=x2

    Parameters
    ----------
    model
        A well-known model such as Qwen/Qwen2.5-7B-Instruct, builtin:mini, a GGUF file or a config.json.
    batch
        Streams at once, joined by commas.
    context
        Tokens of the prompt.
    tokens
        Tokens of an answer.
    json
        Print one JSON object instead.
    """
    line = machine.line(model)
    lines = {one.chip.name: one for one in (line, machine.changed(line))}
    _show(plans.latency(lines, [int(one) for one in _numbers("--batch", batch)], context, tokens), json)


@plan.command
def cost(
    model: str,
    /,
    *,
    price: str | None = None,
    queries: float = 1e6,
    batch: int = 64,
    mix: Mix = Mix(),
    machine: Machine = Machine(),
) -> None:
    """What does a mix of strategies cost, a query and a year: dollars, FLOPs and energy?

    Example: ponder plan cost llama-3-8b --mix high --reached .5; ponder plan cost openai:gpt-5-mini --mix "direct=90,best-of-n=10"

    Parameters
    ----------
    model
        A well-known model, GGUF file or config.json on your chips; or openai:MODEL or MODEL@URL at its list price.
    price
        US dollars per million prompt, completion and (optionally) cached tokens, as 0.15,0.60,0.015.
    queries
        Queries a day.
    batch
        Streams that your chips are kept busy with.
    """
    paid = given.price(price) or prices.find(model)
    if paid is None and ("@" in model or model.startswith("openai:")):
        raise InputError(f"the price of `{model}` is not known: give --price 0.15,0.60, or name a model that runs on your chips")
    line = machine.changed(machine.line(model)) if paid is None else None
    if line is not None:
        line.require()
    _show(plans.cost(mix.kinds(), line, paid, queries=queries, batch=batch, said=mix.said()), mix.json)


@plan.command
def exchange(small: str, large: str, /, *, ratio: str = "0.16,0.79,22", needed: float | None = None, json: bool = False) -> None:
    """A bigger model or more samples: how many samples of the small one cost what one of the large one does, training included?

    Example: ponder plan exchange llama-3-8b llama-3-70b --needed 16

    Parameters
    ----------
    small
        A well-known model, GGUF file or config.json.
    large
        Another.
    ratio
        Inference tokens over training tokens in the model's life, joined by commas; by default those of Snell et al. 2024.
    needed
        How many samples make the small one as good, if you know it: then the answer says which to take.
    json
        Print one JSON object instead.
    """
    _show(plans.exchange(_shape(small), _shape(large), _numbers("--ratio", ratio), needed), json)


@plan.command
def fleet(
    model: str,
    /,
    *,
    rate: float = 20,
    seconds: float = 600,
    slo: float = 20,
    replicas: int | None = None,
    batch: int = 256,
    target: float | None = None,
    startup: float = 120,
    mix: Mix = Mix(),
    machine: Machine = Machine(),
) -> None:
    """Simulate a fleet: what does a mix of strategies do to p99 and to the bill?

    Example: ponder plan fleet llama-3-8b --rate 50 --mix "direct=90,best-of-n(n=16)=10" --reached .5

    Parameters
    ----------
    model
        A well-known model such as Qwen/Qwen2.5-7B-Instruct, builtin:mini, a GGUF file or a config.json.
    rate
        Queries a second.
    seconds
        How long queries arrive.
    slo
        Seconds in which a query should be answered.
    replicas
        How many copies of the model; by default the fewest whose p99 meets the SLO.
    batch
        The most streams of a replica.
    target
        Scale by load: so many draws in flight are wanted on each replica.
    startup
        Seconds until a new replica serves.
    """
    scaling = None if target is None else Scaling(target, startup=startup)
    line = machine.changed(machine.line(model))
    _show(
        plans.fleet(
            mix.kinds(), line, rate=rate, seconds=seconds, slo=slo, replicas=replicas, batch=batch, scaling=scaling, seed=mix.seed,
            said=mix.said(),
        ),
        mix.json,
    )  # fmt: skip


def _shape(model: str) -> Architecture:
    """The shape of a model by its usual name, of a file, or of a built-in model."""
    return architecture.named(str(catalog.download(model)) if model.startswith("builtin:") else model.removeprefix("openvino:"))


def _numbers(flag: str, text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise InputError(f"cannot read {flag} {text!r}: write numbers joined by commas, as 1,8,64") from None


def _policy(name: str) -> policies.Policy:
    """A policy's file, or one that ships, by its task."""
    found = policies.SHIPPED / f"{name}.json"
    return policies.decoded(found.read_bytes(), name) if found.is_file() else policies.read(Path(name))


def _show(found: dict[str, Any], json: bool) -> None:
    """The facts, the rows as a table, and what all rests on."""
    if json:
        show.json_line(found)
        return
    facts = {name: value for name, value in found.items() if name not in ("rows", "assumptions")}
    for name, value in facts.items():
        if value is not None:
            shown = ", ".join(f"{key} {_text(one)}" for key, one in value.items()) if isinstance(value, dict) else _text(value)
            show.stdout.print(f"{name.replace('_', ' ')}: {shown}", highlight=False, markup=False)
    table = Table(*(name.replace("_", " ") for name in found["rows"][0]), box=None, header_style="bold")
    for row in found["rows"]:
        table.add_row(*(_text(value) for value in row.values()))
    show.wide(table)
    show.stdout.print("assumed:", style="dim", highlight=False)
    for said in found["assumptions"]:
        show.stdout.print(f"  {said}", style="dim", highlight=False, markup=False)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e8 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
