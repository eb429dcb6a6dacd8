"""The table of chips against its own ratios and recorded data, and the processor at hand."""

import json

import pytest

from ponder.cost.hardware import CHIPS, chip, here
from ponder.errors import InputError


@pytest.mark.parametrize(
    ("name", "ridge"),
    [("A100", 153), ("H100", 295), ("H200", 206), ("B200", 281), ("TPUv5e", 240), ("TPUv4", 229), ("LPU", 2.4)],
)
def test_ridges(name, ridge):
    assert CHIPS[name].ridge == pytest.approx(ridge, abs=0.6)


@pytest.mark.parametrize(("name", "file"), [("A100", "a100-sxm-80gb"), ("H100", "h100-sxm-80gb")])
def test_the_table_agrees_with_recorded_specifications(data, name, file):
    said = json.loads((data / "hw_gpu_llm_analysis" / f"{file}.json").read_text())
    ours = CHIPS[name]
    assert ours.flops / 1e12 == pytest.approx(said["peak_fp16_TFLOPS"], rel=1e-3)
    assert ours.flops8 / 1e12 == pytest.approx(said["peak_i8_TFLOPS"], rel=1e-3)
    assert ours.bandwidth / 1e9 == said["hbm_bandwidth_in_GB_per_sec"]
    assert ours.memory / 1e9 == said["mem_per_GPU_in_GB"]


def test_140_gb_need_609_lpus_and_two_h100():
    assert CHIPS["LPU"].holding(140e9) == 609
    assert CHIPS["H100"].holding(140e9) == 2


def test_a_price_has_its_date_and_place_and_an_unknown_one_is_none():
    for one in CHIPS.values():
        assert (one.usd_hour is None) == (one.date is None) == (one.listed is None)
        assert one.source
    assert CHIPS["LPU"].usd_hour is None
    assert CHIPS["TPUv5e"].watts is None


def test_figures_can_be_replaced_and_unknown_names_are_answered():
    assert chip("h100", bandwidth=6.7e12).bandwidth == 6.7e12
    with pytest.raises(InputError, match="did you mean `H100`"):
        chip("h10")


def test_the_processor_at_hand_is_measured_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    found = here()
    assert 1e9 < found.flops < 1e14
    assert 1e8 < found.bandwidth < 1e12
    assert found.watts is None
    assert here() == found
