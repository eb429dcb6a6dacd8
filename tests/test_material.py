"""What a report is made of: told by what is in a file, and refused with what to do."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from ponder.cli import main
from ponder.cli.show import answer_object
from ponder.errors import InputError
from ponder.lab.material import read
from ponder.lab.scale import scale
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.store import Store
from ponder.tasks.simulated import problems, simulated

ANSWER = solve_sync(problems(1)[0], model=Simulated(accuracy=0.5), strategy="self-consistency", n=4)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    store = Store(folder / "bank.sqlite")
    result = asyncio.run(scale(simulated, Simulated(), ["self-consistency"], [1, 4], problems=5, store=store))
    store.close()
    (folder / "scale.json").write_text(json.dumps(result))
    (folder / "solve.json").write_bytes(msgspec.json.encode(answer_object(ANSWER)))
    (folder / "traces.jsonl").write_text(f"{ANSWER.trace.line()}\n{ANSWER.trace.line()}\n")
    (folder / "other.json").write_text('{"a": 1}')
    (folder / "words.txt").write_text("words")
    return folder


def test_a_result_and_traces_are_told_apart(files: Path) -> None:
    found = read([files / "scale.json", files / "solve.json", files / "traces.jsonl"])
    assert found.result["task"] == "simulated"
    assert [len(one["nodes"]) for one in found.traces] == [4, 4, 4]
    assert {one["title"] for one in found.traces} == {"self-consistency · simulated"}
    assert all(one["answer"] == ANSWER.answer for one in found.traces)


def test_a_bank_tells_what_it_holds(files: Path) -> None:
    found = read([files / "bank.sqlite"])
    assert (found.result["problems"], found.result["curves"]) == (5, [])
    assert found.result["settings"]["simulated"]["samples"] == 20
    assert [len(one["nodes"]) for one in found.traces] == [4] * 5
    assert found.traces[0]["question"] == "simulated problem 0"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["other.json"], "neither `curves` nor `events`"),
        (["words.txt"], "neither JSON nor a sample bank"),
        (["nowhere.json"], "cannot read"),
        (["scale.json", "bank.sqlite"], "measure them together"),
    ],
)
def test_other_files_are_refused_with_what_to_do(files: Path, names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read([files / name for name in names])


def test_the_command_writes_each_format(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = str(files / "scale.json")
    assert main(["report", result, "--out", str(tmp_path / "points.csv")]) == 0
    assert main(["report", result, str(files / "solve.json"), "--out", str(tmp_path / "page.html")]) == 0
    assert main(["report", str(files / "traces.jsonl"), "--out", str(tmp_path / "searches.html")]) == 0
    assert main(["report", result, "--format", "hf", "--dataset", "a/b", "--out", str(tmp_path)]) == 0
    assert main(["report", str(files / "bank.sqlite"), "--out", str(tmp_path / "points.md")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "only html shows traces and banks" in said
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".eval_results", "page.html", "page.png", "page.svg", "points.csv", "searches.html"]
    assert (tmp_path / "searches.html").read_text().count('class="card tree"') == 2
