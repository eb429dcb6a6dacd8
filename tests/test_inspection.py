"""ponder inside inspect_ai: provider, solver and graded tasks, with the real package where it is there."""

import asyncio
import gc
import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

import ponder
from ponder import tasks
from ponder.errors import InputError
from ponder.models import catalog
from ponder.types import Answer

inspect_ai = pytest.importorskip("inspect_ai", reason='the package is not there: pip install "ponder[inspect]"')

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours


@pytest.fixture(scope="module")
def ours() -> Any:
    [name] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["inspect_ai"].values()
    return importlib.import_module(name)


@pytest.fixture(autouse=True)
def swept():
    """What they leave unclosed is found while this file's filter holds."""
    yield
    gc.collect()


def evaluated(tmp_path: Path, task: Any, **settings: Any) -> Any:
    [log] = inspect_ai.eval(task, model="ponder/builtin:mini", display="none", log_dir=str(tmp_path), **settings)
    assert log.status == "success", log.error
    return log


def test_best_of_n_there_is_best_of_n_here(ours: Any, tmp_path: Path) -> None:
    problems = tasks.get("countdown-4").load("test", 6)

    async def library() -> list[Answer]:
        async with catalog.opened("builtin:mini") as model:
            return [await ponder.solve(one, model=model, strategy="best-of-n", n=4, seed=3) for one in problems]

    here = asyncio.run(library())
    log = evaluated(tmp_path, ours.benchmark("countdown-4", limit=6), solver=ours.pondering("best-of-n", n=4, seed=3))
    there = {one.id: one.metadata["ponder"] for one in log.samples}
    assert [there[one.id]["answer"] for one in problems] == [one.answer for one in here]
    assert [there[one.id]["tokens"] for one in problems] == [one.cost.tokens for one in here]
    right = [one.scores["graded"].value for one in log.samples]
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(sum(right) / 6)


def test_epochs_are_other_draws_and_usage_is_counted(ours: Any, tmp_path: Path) -> None:
    log = evaluated(tmp_path, ours.benchmark("countdown-4", limit=2), epochs=6)
    texts = {one.id: {other.output.completion for other in log.samples if other.id == one.id} for one in log.samples}
    assert all(len(some) > 1 for some in texts.values())
    [usage] = log.stats.model_usage.values()
    assert usage.output_tokens > 0


def test_other_providers_models_are_asked_by_strategies_too(ours: Any, tmp_path: Path) -> None:
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match

    usage = ModelUsage(input_tokens=9, output_tokens=5, total_tokens=14)
    said = [ModelOutput.from_content("mockllm", f"The answer is {number}.") for number in (7, 8, 8)]
    said = [one.model_copy(update={"usage": usage}) for one in said]
    [log] = inspect_ai.eval(
        Task(dataset=[Sample(input="How many?", target="8")], scorer=match(numeric=True)),
        model=get_model("mockllm/model", custom_outputs=said), display="none", log_dir=str(tmp_path),
        solver=ours.pondering("self-consistency", n=3),
    )  # fmt: skip
    assert log.status == "success", log.error
    assert (log.samples[0].metadata["ponder"]["answer"], log.results.scores[0].metrics["accuracy"].value) == ("8", 1.0)
    assert log.samples[0].metadata["ponder"]["tokens"] == 3 * 14


def test_what_cannot_be_graded_is_refused(ours: Any) -> None:
    with pytest.raises(InputError, match="`free` has no verifier of its own"):
        ours.benchmark("free")
