"""List prices of models behind vendors' APIs: dated, with their source; the user's own come first.

A price belongs to a vendor and a model: the same open model costs something else elsewhere, and nothing is guessed. What is not
listed is None. `ponder.toml` overrides, in dollars per million prompt, completion and (optionally) cached tokens:

    [prices]
    "my-model@http://localhost:8000/v1" = [0.15, 0.60, 0.015]
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from ponder import config
from ponder.errors import InputError
from ponder.types import Price

MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Listed:
    """A model's price in a vendor's list. `date` is when it was seen there, `note` what the price leaves out."""

    vendor: str
    model: str
    price: Price
    date: str
    source: str
    note: str = ""


HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
}
"""Whose list a URL's host stands for."""

_LONG = "prompts above {} tokens cost more"
_PEAK = "at peak hours (01-04 and 06-10 UTC on weekdays); half of it else"

# vendor, date, source: rows of model, prompt, completion, cached ("-": no reduced price), note
_LISTS: tuple[tuple[str, str, str, str], ...] = (
    (
        "openai", "2026-03-21", "https://platform.openai.com/docs/pricing",
        f"""
        gpt-5.4        2.5   15    .25    {_LONG.format("272,000")}
        gpt-5.4-mini   .75   4.5   .075
        gpt-5.4-nano   .2    1.25  .02
        gpt-5.2        1.75  14    .175
        gpt-5.2-pro    21    168   -
        gpt-5.1        1.25  10    .125
        gpt-5          1.25  10    .125
        gpt-5-pro      15    120   -
        gpt-5-mini     .25   2     .025
        gpt-5-nano     .05   .4    .005
        gpt-4.1        2     8     .5
        gpt-4.1-mini   .4    1.6   .1
        gpt-4.1-nano   .1    .4    .025
        gpt-4o         2.5   10    1.25
        gpt-4o-mini    .15   .6    .075
        gpt-4-turbo    10    30    -
        gpt-4          30    60    -
        gpt-3.5-turbo  .5    1.5   -
        o1             15    60    7.5
        o1-pro         150   600   -
        o3             2     8     .5
        o3-pro         20    80    -
        o3-mini        1.1   4.4   .55
        o4-mini        1.1   4.4   .275
        """,
    ),
    (
        "anthropic", "2026-10-24", "https://platform.claude.com/docs/en/about-claude/pricing",
        """
        claude-opus-5      5   25   .5
        claude-opus-4-8    5   25   .5
        claude-opus-4-7    5   25   .5
        claude-opus-4-6    5   25   .5
        claude-opus-4-5    5   25   .5
        claude-opus-4-1    15  75   1.5
        claude-sonnet-4-6  3   15   .3
        claude-sonnet-4-5  3   15   .3
        claude-haiku-4-5   1   5    .1
        claude-3-5-haiku   .8  4    .08
        """,
    ),
    (
        "google", "2026-03-31", "https://ai.google.dev/gemini-api/docs/pricing",
        f"""
        gemini-2.5-pro         1.25  10   .125  {_LONG.format("200,000")}
        gemini-2.5-flash       .3    2.5  .03
        gemini-2.5-flash-lite  .1    .4   .01
        """,
    ),
    (
        "deepseek", "2026-10-27", "https://api-docs.deepseek.com/quick_start/pricing",
        f"""
        deepseek-flash   .3    1.2   .006   {_PEAK}
        deepseek-v4-pro  1.32  3.96  .044   {_PEAK}
        """,
    ),
    (
        "groq", "2026-06-04", "https://groq.com/pricing",
        """
        llama-3.1-8b-instant     .05   .08   -
        llama-3.3-70b-versatile  .59   .79   -
        qwen/qwen3-32b           .29   .59   -
        openai/gpt-oss-120b      .15   .6    .075
        openai/gpt-oss-20b       .075  .3    .0375
        """,
    ),
)  # fmt: skip


def _listed() -> dict[tuple[str, str], Listed]:
    found = {}
    for vendor, date, source, rows in _LISTS:
        for row in rows.strip().splitlines():
            model, prompt, completion, cached, *note = row.split(maxsplit=4)
            price = per_million(float(prompt), float(completion), None if cached == "-" else float(cached))
            found[vendor, model.lower()] = Listed(vendor, model, price, date, source, *note)
    return found


def per_million(prompt: float, completion: float, cached: float | None = None) -> Price:
    """A price from dollars per million tokens."""
    return Price(prompt / MILLION, completion / MILLION, None if cached is None else cached / MILLION)


def listed(vendor: str, model: str) -> Listed | None:
    """A vendor's row for a model; a dated version (`gpt-5-2025-08-07`) costs what its name without the date does."""
    name = model.lower()
    undated = re.sub(r"-(\d{4}-\d{2}-\d{2}|20\d{6}|latest)$", "", name)
    return TABLE.get((vendor, name)) or TABLE.get((vendor, undated))


def find(name: str) -> Price | None:
    """The price of a model by the name that ponder opens it by: the user's, else the list's, else None.

    `openai:MODEL` is OpenAI's, `MODEL@URL` that of the vendor whose API the URL is. Raises `InputError` for a price in
    `ponder.toml` that cannot be read.
    """
    if (own := _own().get(name)) is not None:
        return own
    kind, _, rest = name.partition(":")
    model, at, url = name.rpartition("@")
    if at:
        vendor = HOSTS.get(re.sub(r"^https?://([^/:]+).*", r"\1", url), "")
    else:
        vendor, model = (kind, rest) if kind == "openai" else ("", name)
    row = listed(vendor, model)
    return None if row is None else row.price


def read(text: str) -> Price:
    """A price as users write it: dollars per million prompt and completion tokens, and cached ones if they cost less."""
    try:
        return per_million(*(float(part) for part in text.split(",")))
    except (ValueError, TypeError):
        raise InputError(f"cannot read the price {text!r}: write dollars per million tokens as 0.15,0.60") from None


def _own() -> dict[str, Price]:
    """The tables `[prices]` of the configuration files, the strongest file's first."""
    found: dict[str, Price] = {}
    for path in reversed(config.files()):
        prices = tomllib.loads(path.read_text()).get("prices", {})
        for name, numbers in prices.items():
            found[name] = read(",".join(map(str, numbers)) if isinstance(numbers, list) else str(numbers))
    return found


TABLE = _listed()
"""Every row by vendor and model (in lower case)."""
