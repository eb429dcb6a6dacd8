"""The roofline against published bounds, and how far from it recorded systems are."""

import re

import pytest

from ponder.cost.architecture import KNOWN
from ponder.cost.hardware import CHIPS, chip
from ponder.cost.roofline import Roofline
from ponder.errors import InputError

LLAMA = KNOWN["llama-3-8b"]


@pytest.mark.parametrize(("name", "rate"), [("A100", 127), ("H100", 209), ("H200", 299), ("B200", 498), ("TPUv5e", 51)])
def test_tokens_a_second_of_one_stream_of_8b(name, rate):
    assert 1 / Roofline(CHIPS[name], LLAMA).step(1) == pytest.approx(rate, abs=0.6)


def test_latency_is_flat_up_to_the_knee_and_then_grows_in_proportion():
    line = Roofline(CHIPS["H100"], LLAMA)
    knee = line.knee()
    assert knee == pytest.approx(CHIPS["H100"].ridge, rel=0.08)  # the embedding is read, but not multiplied by
    assert line.step(1) == line.step(knee * 0.99)
    assert line.step(4 * knee) == pytest.approx(4 * line.step(1))


def test_a_long_context_is_bound_by_its_cache_however_wide_the_batch():
    line = Roofline(CHIPS["H100"], LLAMA)
    assert line.knee(100_000) == float("inf")
    assert line.step(64, 100_000) == line.reading(64, 100_000) > line.computing(64, 100_000)
    assert line.weights < 64 * 100_000 * 131_072  # what is read is mostly the cache


def test_70b_does_not_fit_one_h100_and_fits_two_at_full_memory():
    with pytest.raises(InputError, match="141 GB of weights and does not fit 1 x H100"):
        Roofline(CHIPS["H100"], KNOWN["llama-3-70b"]).require()
    assert Roofline(CHIPS["H100"], KNOWN["llama-3-70b"], chips=2, usable=1).fits
    assert Roofline(CHIPS["H100"], KNOWN["llama-3-70b"], weight=0.5).fits


def test_the_cache_limits_the_batch():
    line = Roofline(CHIPS["H100"], LLAMA)
    assert line.streams(8192) == int((0.9 * 80e9 - LLAMA.parameters * 2) // (8192 * 131_072)) == 52
    assert line.streams(8192, shared=4096) == 103


def test_a_prompt_is_bound_by_computing_where_it_is_longer_than_the_ridge():
    line = Roofline(CHIPS["H100"], LLAMA)
    assert line.prompt(10) == line.step(1)
    assert line.prompt(4096) > 10 * line.step(1)


def test_twice_the_bandwidth_halves_the_step_only_where_reading_bounds_it():
    line, wide = Roofline(CHIPS["H100"], LLAMA), Roofline(chip("H100", bandwidth=6.7e12), LLAMA)
    assert wide.step(1) == pytest.approx(line.step(1) / 2)
    assert wide.step(1000) == line.step(1000)


def test_palm_decodes_in_29_ms_on_64_tpus_which_is_four_times_the_bound():
    """540B int8, 64 TPU v4 (Pope et al. 2022): reading 540 GB at 64 x 1.2 TB/s takes 7.0 ms; 29 ms were measured at batch 64."""
    bound = 540e9 / (64 * CHIPS["TPUv4"].bandwidth)
    assert bound == pytest.approx(7.0e-3, abs=0.1e-3)
    assert 29e-3 / bound == pytest.approx(4.1, abs=0.1)


MEASURED = {"A100 SXM 80GB": "A100", "H100 PCIe 80GB": "H100"}


def test_recorded_rates_of_one_stream_stay_below_the_bound(data):
    """llama.cpp, 1,024 tokens, 16 bits: half of what reading the weights allows (docs/cost.md)."""
    text = (data / "hw_throughput" / "llama_cpp_tokens_per_s.md").read_text().split("prompt eval speed")[0]
    rows = {row[0].strip(): row for line in text.splitlines() if (row := re.findall(r"[^|]+", line)) and len(row) == 5}
    reached = {}
    for name, ours in MEASURED.items():
        rate = float(rows[name][2].replace("*", ""))
        one = chip(ours, bandwidth=2.0e12) if "PCIe" in name else CHIPS[ours]
        reached[name] = rate * Roofline(one, LLAMA).step(1, 512)
    assert reached["A100 SXM 80GB"] == pytest.approx(0.42, abs=0.01)
    assert reached["H100 PCIe 80GB"] == pytest.approx(0.55, abs=0.01)
    assert "OOM" in rows["A100 SXM 80GB"][4]  # 70B in 16 bits
    assert "OOM" in rows["H100 PCIe 80GB"][4]
