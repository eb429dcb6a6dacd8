"""List prices: whose they are, what overrides them, and that recorded price lists say the same."""

import gzip
import json

import pytest

from ponder.cost import prices
from ponder.cost.prices import TABLE, find, per_million
from ponder.errors import InputError
from ponder.models.catalog import open_model
from ponder.types import Price, Usage


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_a_price_is_the_vendors_whose_api_it_is():
    assert find("openai:gpt-5-mini") == per_million(0.25, 2, 0.025)
    assert find("openai:gpt-5-2025-08-07") == find("openai:gpt-5")
    assert find("openai/gpt-oss-120b@https://api.groq.com/openai/v1") == per_million(0.15, 0.6, 0.075)
    assert find("gpt-5@https://api.openai.com/v1") == find("openai:gpt-5")


@pytest.mark.parametrize("name", ["openai:gpt-99", "gpt-5@http://localhost:8000/v1", "builtin:mini", "gpt-5"])
def test_what_is_not_listed_is_unknown(name):
    assert find(name) is None


def test_every_row_has_a_date_and_a_source():
    for row in TABLE.values():
        assert row.date >= "2026-03"
        assert row.source.startswith("https://")
        assert row.price.cached is None or row.price.cached < row.price.prompt


def test_the_users_table_comes_first(tmp_path):
    (tmp_path / "ponder.toml").write_text('[prices]\n"openai:gpt-5" = [1, 2]\n"mine@http://localhost:8000/v1" = [0.1, 0.2, 0.01]\n')
    assert find("openai:gpt-5") == per_million(1, 2)
    assert find("mine@http://localhost:8000/v1") == per_million(0.1, 0.2, 0.01)
    (tmp_path / "ponder.toml").write_text('[prices]\n"openai:gpt-5" = "cheap"\n')
    with pytest.raises(InputError, match="cannot read the price 'cheap'"):
        find("openai:gpt-5")


def test_a_model_is_opened_with_its_price_and_a_flag_wins(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = open_model("openai:gpt-4.1-mini")
    assert model.price.usd(Usage(1, 1_000_000, 500_000, 1_000_000)) == pytest.approx(0.2 + 0.05 + 1.6)
    assert open_model("openai:gpt-4.1-mini", price=Price(1, 1)).price == Price(1, 1)
    assert open_model("openai:gpt-99").price is None


def test_prices_are_read_as_users_write_them():
    assert prices.read("0.15,0.60") == per_million(0.15, 0.6)
    for wrong in ("0.15", "a,b", "1,2,3,4"):
        with pytest.raises(InputError, match="cannot read the price"):
            prices.read(wrong)


def _recorded(data):
    """(vendor, model) to dollars per million prompt, completion and cached tokens, in both recorded lists."""
    found = {}
    for vendor in json.loads(gzip.decompress((data / "hw_prices_genai" / "data_slim.json.gz").read_bytes())):
        for model in vendor["models"]:
            said = model.get("prices")
            said = said[-1]["prices"] if isinstance(said, list) else said
            row = [said.get(key) for key in ("input_mtok", "output_mtok", "cache_read_mtok")]
            row = [one["base"] if isinstance(one, dict) else one for one in row]
            found.setdefault((vendor["id"], model["id"].lower()), []).append(row)
    packed = (data / "hw_prices_litellm" / "model_prices_and_context_window.json.gz").read_bytes()
    for name, said in json.loads(gzip.decompress(packed)).items():
        keys = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
        row = [said[key] * 1e6 if said.get(key) else None for key in keys]
        for vendor in ("openai", "anthropic", "google"):
            found.setdefault((vendor, name.lower()), []).append(row)
    return found


def test_recorded_lists_say_the_same(data):
    recorded, seen = _recorded(data), 0
    for (vendor, model), row in TABLE.items():
        for prompt, completion, cached in recorded.get((vendor, model), []):
            if vendor == "deepseek":
                continue  # they have changed since
            assert row.price.prompt * 1e6 == pytest.approx(prompt), model
            assert row.price.completion * 1e6 == pytest.approx(completion), model
            if cached is not None and row.price.cached is not None:
                assert row.price.cached * 1e6 == pytest.approx(cached), model
            seen += 1
    assert seen >= 40
