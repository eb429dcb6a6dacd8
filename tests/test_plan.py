"""`ponder plan`: the four questions of the README, each with its assumptions, and the arithmetic behind them."""

import asyncio
import json

import pytest

from ponder.cli import main
from ponder.cost.architecture import KNOWN
from ponder.cost.hardware import CHIPS
from ponder.cost.roofline import Roofline
from ponder.errors import InputError
from ponder.lab import plan
from ponder.lab.traffic import read, traffic, usage
from ponder.policy import policy as policies

LINE = Roofline(CHIPS["H100"], KNOWN["llama-3-8b"])


def asked(capsys, *words):
    assert main(["plan", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"]
    assert all(found["assumptions"])
    return found


def kinds(mix, **more):
    return asyncio.run(traffic(mix, **more))


def test_does_it_fit_on_one_gpu(capsys):
    found = asked(capsys, "fit", "llama-3-70b", "--context", "4096")
    chips = {row["chip"]: row for row in found["rows"]}
    assert found["kv_bytes_per_token"] == 327_680
    assert not chips["H100"]["fits_one"]
    assert chips["H100"]["chips"] == 2
    assert chips["B200"]["fits_one"]
    assert asked(capsys, "fit", "llama-3-70b", "--weight-bits", "4")["rows"][1]["fits_one"]
    assert all(row["streams"] >= 1 for row in found["rows"])


def test_what_if_the_bandwidth_doubles(capsys):
    found = asked(capsys, "latency", "llama-3-8b", "--batch", "1", "--set", "bandwidth=x2")
    before, after = found["rows"]
    assert after["on"] == "H100 with bandwidth=x2"
    assert after["step_ms"] == pytest.approx(before["step_ms"] / 2)
    assert after["joules_per_token"] == pytest.approx(before["joules_per_token"] / 2)
    assert before["usd_per_million"] == pytest.approx(CHIPS["H100"].usd_hour / 3600 * before["step_ms"] * 1e3)


def test_a_bigger_model_or_more_samples(capsys):
    found = asked(capsys, "exchange", "llama-3-8b", "llama-3-70b", "--needed", "16", "--ratio", "0.16,22")
    multiple = KNOWN["llama-3-70b"].parameters / KNOWN["llama-3-8b"].parameters
    assert found["rows"][0]["samples"] == pytest.approx(multiple + 3 / 0.16 * (multiple - 1))
    assert [row["choose"] for row in found["rows"]] == ["samples", "parameters"]


def test_what_a_high_effort_costs_for_all_traffic(capsys):
    few, many = (asked(capsys, "cost", "llama-3-8b", "--mix", effort)["rows"][-1] for effort in ("minimal", "high"))
    assert many["tokens"] > 3 * few["tokens"]
    assert many["usd"] > 3 * few["usd"]
    assert many["usd_per_year"] == pytest.approx(many["usd"] * 1e6 * 365.25)
    assert many["mwh_per_year"] == pytest.approx(many["wh"] * 365.25)


def test_what_it_costs_at_a_list_price(capsys):
    [direct] = asked(capsys, "cost", "openai:gpt-5-mini", "--mix", "direct", "--tokens", "500", "--prompt", "300")["rows"]
    assert direct["usd"] == pytest.approx((300 * 0.25 + 500 * 2) / 1e6, rel=1e-3)
    assert (direct["wh"], direct["flops"]) == (None, None)
    assert main(["plan", "cost", "openai:gpt-99"]) == 1
    assert "the price of `openai:gpt-99` is not known" in capsys.readouterr().err


def test_best_of_16_for_a_tenth_of_the_traffic_wants_more_machines_for_the_same_p99(capsys):
    words = ("--rate", "20", "--seconds", "60", "--mix", "direct=90,best-of-n(n=16)=10", "--reached", ".5", "--slo", "20")
    rows = asked(capsys, "fleet", "llama-3-8b", *words)["rows"]
    mix, alone = rows[0], rows[-1]
    assert (mix["run"], alone["run"]) == ("the mix", "direct alone")
    assert mix["replicas"] >= 2 * alone["replicas"]
    assert mix["usd_per_hour"] >= 2 * alone["usd_per_hour"]
    assert mix["p99"] < 25
    assert rows[1]["usd_per_hour"] + rows[2]["usd_per_hour"] == pytest.approx(mix["usd_per_hour"])


def test_the_table_for_people_says_what_it_rests_on(capsys):
    assert main(["plan", "fit", "qwen2.5-7b"]) == 0
    printed = capsys.readouterr().out
    assert "assumed:" in printed
    assert "kv bytes per token: 57,344" in printed


def test_wrong_words_are_answered(capsys):
    for words, said in (
        (("fit", "gpt-4"), "the shape of the model `gpt-4` is not known"),
        (("latency", "llama-3-8b", "--batch", "many"), "cannot read --batch 'many'"),
        (("latency", "llama-3-70b"), "does not fit 1 x H100"),
        (("exchange", "llama-3-8b", "llama-3-70b", "--ratio", "x"), "cannot read --ratio 'x'"),
        (("fleet", "llama-3-8b", "--slo", "1", "--seconds", "5"), "a query alone takes longer"),
        (("cost", "llama-3-8b", "--mix", "high", "--policy", "nowhere.json"), "cannot read the policy `nowhere.json`"),
    ):
        assert main(["plan", *words]) == 1
        assert said in capsys.readouterr().err


def test_a_built_in_model_on_the_processor_at_hand(capsys):
    found = asked(capsys, "latency", "builtin:mini", "--chip", "cpu", "--weight-bits", "32", "--batch", "1")
    assert 1e-5 < found["rows"][0]["step_ms"] / 1e3 < 1e-2
    assert found["rows"][0]["joules_per_token"] is None  # no power is stated


def test_a_mix_is_read_and_wrong_ones_are_answered():
    assert read("direct=90,best-of-n(n=16)=10") == [("direct", 0.9), ("best-of-n(n=16)", 0.1)]
    assert read("high") == [("high", 1.0)]
    with pytest.raises(InputError, match="cannot read the share"):
        read("direct=many")
    with pytest.raises(InputError, match="is what a policy buys"):
        kinds("high")
    with pytest.raises(InputError, match="cannot change speed=x2"):
        plan.changed(CHIPS["H100"], {"speed": "x2"})
    with pytest.raises(InputError, match="cannot change watts=x2"):
        plan.changed(CHIPS["TPUv5e"], {"watts": "x2"})  # unknown


def test_traffic_has_the_lengths_asked_for():
    direct, best = kinds("direct,best-of-n(n=16)", tokens=500, prompt=300)
    assert usage(direct).completion == pytest.approx(500, rel=0.01)
    assert (usage(direct).prompt, usage(direct).cached) == (300, 0)
    assert usage(best).completion == pytest.approx(16 * 500, rel=0.05)
    assert (usage(best).prompt, usage(best).cached) == (4800, 4500)
    assert (best.draws, best.rounds) == (16, 1)


def test_an_effort_is_what_its_policy_runs():
    policy = policies.decoded((policies.SHIPPED / "countdown.json").read_bytes(), "countdown")
    few, many = kinds("minimal,high", policy=policy)
    assert many.draws > 2 * few.draws
    assert many.rounds == many.draws  # one at a time, until one wins


def test_a_cost_of_chips_is_their_time():
    [direct] = kinds("direct", tokens=500, prompt=300)
    row = plan.cost([direct], LINE, None, queries=1, batch=64)["rows"][0]
    seconds = LINE.prompt(300) + 500 * LINE.step(64, 550) / 64
    assert row["usd"] == pytest.approx(3.78 * seconds / 3600, rel=0.03)
