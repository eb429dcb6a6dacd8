"""A result in other shapes: nothing lost, nothing made up, and nothing from a run that becomes markup."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ponder.errors import InputError
from ponder.lab.formats import COLUMNS, markdown, rows, write_csv, write_hub, write_parquet

POINT = {"tokens": 100.0, "seconds": None, "selected": 0.25, "oracle": 0.5, "mean": 0.125, "interval": [0.2, 0.3]}


def result(**settings: Any) -> dict[str, Any]:
    points = [{"n": 1} | POINT | {"selected": 0.125}, {"n": 4} | POINT]
    curve = {"strategy": "best-of-n", "parameters": {"b": 1, "a": 2}, "points": points}
    at = {"curve": 0, "n": 4, "cost": 100.0, "selected": 0.25, "on": True, "probability": 1.0}
    law = {"strategy": "best-of-n", "quantity": "selected", "law": "log-linear", "a": 0.1, "b": 0.05, "heldout_error": 0.01}
    return {
        "task": "gsm8k", "model": "m|x <b>", "problems": 40, "curves": [curve], "fits": [law],
        "settings": {"temperature": 0.7} | settings, "frontier": {"tokens": {"points": [at], "leaders": []}},
    }  # fmt: skip


def test_every_point_is_a_row_and_what_is_unknown_is_empty(tmp_path: Path) -> None:
    first, second = rows(result())
    assert tuple(first) == COLUMNS
    assert (second["n"], second["selected"], second["low"], second["high"], second["seconds"]) == (4, 0.25, 0.2, 0.3, None)
    assert json.loads(second["parameters"]) == {"a": 2, "b": 1}
    (path,) = write_csv(result(), tmp_path / "new" / "points.csv")
    with path.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["seconds"] for row in read] == ["", ""]
    assert [float(row["selected"]) for row in read] == [0.125, 0.25]
    assert read[0]["model"] == "m|x <b>"


def test_parquet_has_types_and_nulls(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason='pip install "ponder[files]"')
    (path,) = write_parquet(result(), tmp_path / "points.parquet")
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == rows(result())
    assert str(table.schema.field("usd").type) == "double"


def test_markdown_holds_the_numbers_and_no_markup_of_the_runs() -> None:
    text = markdown(result())
    assert "| best-of-n | 4 | 25.0 % | 20.0–30.0 % | 50.0 % | 12.5 % | 100 tokens |" in text.replace("\u00a0", " ")
    assert "m\\|x \\<b\\>" in text
    assert "<b>" not in text
    assert "## Frontier in tokens" in text
    assert "| best-of-n | a + b·ln k | 0.100 | 0.050 | 1.00 % | 30.8 % |" in text.replace("\u00a0", " ")  # .1 + .05 ln 64 = .308


def test_a_model_card_gets_selected_figures_only_a_file_a_variant(tmp_path: Path) -> None:
    written = write_hub(result(), tmp_path, "openai/gsm8k", "gsm8k")
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        ".eval_results/gsm8k.yaml",
        ".eval_results/gsm8k_best-of-n-4.yaml",
    ]
    one, best = (path.read_text() for path in written)
    assert one.startswith('- dataset:\n    id: "openai/gsm8k"\n    task_id: "gsm8k"\n  value: 12.50\n  notes: "one sample')
    assert "value: 25.00\n" in best
    assert "best-of-n with n = 4, 95 % interval 20.0–30.0 %, 100 tokens a problem" in best
    assert "50.00" not in one + best


def test_what_the_hub_reads_is_what_was_written(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="pip install huggingface_hub")
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
    if not hasattr(hub, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub does not know .eval_results yet")
    for path in write_hub(result(), tmp_path, "openai/gsm8k", "gsm8k"):
        (entry,) = hub.parse_eval_result_entries(yaml.safe_load(path.read_text()))
        assert (entry.dataset_id, entry.task_id) == ("openai/gsm8k", "gsm8k")
        assert entry.value in (12.5, 25.0)


@pytest.mark.parametrize(
    ("given", "dataset", "message"),
    [
        (result(), None, "give the Hub's id"),
        (result(verifier_reads="reference"), "a/b", "an oracle's figure"),
        (result() | {"curves": [result()["curves"][0] | {"model": "m"}]}, "a/b", "of several models"),
    ],
)
def test_what_does_not_belong_on_a_model_card_is_refused(
    given: dict[str, Any], dataset: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        write_hub(given, tmp_path, dataset)
    assert list(tmp_path.iterdir()) == []
