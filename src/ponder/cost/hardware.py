"""Chips: what they compute, hold and read, with the source of each figure; and the processor at hand, measured."""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from ponder import cache
from ponder.errors import InputError


@dataclass(frozen=True, slots=True)
class Chip:
    """One accelerator. `flops` a second, dense, in 16 bits (`flops8`: in 8 bits); `memory` in bytes, `bandwidth` in bytes a second.

    `watts` is what it draws at most; `usd_hour` a public on-demand price, with its `date` and where it was listed. None is unknown.
    """

    name: str
    flops: float
    memory: float
    bandwidth: float
    watts: float | None
    source: str
    flops8: float | None = None
    usd_hour: float | None = None
    date: str | None = None
    listed: str | None = None

    @property
    def ridge(self) -> float:
        """FLOPs a byte at which computing takes as long as reading: in 16 bits, the batch too."""
        return self.flops / self.bandwidth

    def peak(self, width: float) -> float:
        """FLOPs a second with weights of so many bytes. Where the 8-bit rate is unknown, that in 16 bits."""
        return self.flops8 if width <= 1 and self.flops8 is not None else self.flops

    def holding(self, size: float) -> int:
        """How many chips hold so many bytes."""
        return math.ceil(size / self.memory)


CHIPS: dict[str, Chip] = {
    one.name: one
    for one in (
        Chip(
            "A100", 312e12, 80e9, 2.039e12, 400, "NVIDIA A100 SXM 80 GB data sheet; llmbook.apartsin.com",
            624e12, 2.4984, "2026-05-07", "modal.com/pricing",
        ),
        Chip(
            "H100", 989.4e12, 80e9, 3.35e12, 700, "NVIDIA H100 SXM data sheet; llmbook.apartsin.com",
            1978.9e12, 3.78, "2026-05-07", "lambda.ai/pricing",
        ),
        Chip(
            "H200", 989.4e12, 141e9, 4.8e12, 700, "NVIDIA H200 SXM data sheet; llmbook.apartsin.com",
            1978.9e12, 4.54, "2026-03-17", "spheron.network",
        ),
        Chip(
            "B200", 2250e12, 180e9, 8.0e12, 1000, "NVIDIA DGX B200 (180 GB); hmc-tech.com, llmbook.apartsin.com",
            4500e12, 6.03, "2026-03-17", "spheron.network",
        ),
        Chip("TPUv4", 275e12, 32 * 2**30, 1.2e12, 192, "glennklockwood.com; arXiv 2304.01433", None),
        Chip("TPUv5e", 197e12, 16 * 2**30, 0.819e12, None, "cloud.google.com/tpu/docs/v5e; madebyagents.com", 394e12),
        Chip("LPU", 188e12, 0.23e9, 80e12, 300, "Groq LPU v1: techpowerup.com, awesomeagents.ai", 750e12),
    )
}  # fmt: skip
"""Dense rates: a vendor's sparse ones are twice as high."""


def chip(name: str, **changes: float) -> Chip:
    """A chip of the table, or `cpu`, the processor at hand; with figures replaced. Raises `InputError` for an unknown name."""
    known = {one.lower(): one for one in CHIPS}
    if name.lower() == "cpu":
        found = here()
    elif name.lower() in known:
        found = CHIPS[known[name.lower()]]
    else:
        near = get_close_matches(name.lower(), known, n=1)
        advice = f"did you mean `{known[near[0]]}`?" if near else f"there are {', '.join(CHIPS)} and cpu"
        raise InputError(f"there is no chip called `{name}`; {advice}")
    settings: dict[str, Any] = changes
    return replace(found, **settings)


def here(refresh: bool = False) -> Chip:
    """The processor at hand, measured in about a second on first use and kept: float32 products, and reading a large array."""
    key = f"{platform.node()} {platform.processor() or platform.machine()} x {os.cpu_count()}"
    kept = None if refresh else cache.recall("hardware", key, Chip)
    if kept is None:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        source = f"measured here with numpy in float32 on {time.strftime('%Y-%m-%d')}"
        kept = Chip("cpu", _products(), memory, _reading(), None, source)
        cache.keep("hardware", key, kept)
    return kept


def _products(size: int = 1024, times: int = 4) -> float:
    """FLOPs a second of the best of a few matrix products."""
    import numpy as np

    left = np.ones((size, size), np.float32)
    best = math.inf
    for _ in range(times):
        began = time.perf_counter()
        _ = left @ left
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best


def _reading(size: int = 1 << 26, times: int = 4) -> float:
    """Bytes a second of the best of a few sums over an array that no cache holds, by one thread for each processor."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    parts = np.array_split(np.ones(size, np.float32), os.cpu_count() or 1)
    best = math.inf
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in range(times):
            began = time.perf_counter()
            list(pool.map(np.max, parts))
            best = min(best, time.perf_counter() - began)
    return 4.0 * size / best
