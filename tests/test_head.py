"""A trained reward head: it learns what its labels say, and loads through the verifier that a path names."""

import asyncio
import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
transformers = pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder import cli, trace  # noqa: E402
from ponder.errors import InputError  # noqa: E402
from ponder.tasks.simulated import problems  # noqa: E402
from ponder.trace import Trace  # noqa: E402
from ponder.train import head, sets  # noqa: E402
from ponder.train.loop import Recipe  # noqa: E402
from ponder.train.trainer import tiny  # noqa: E402
from ponder.types import Sample  # noqa: E402
from ponder.verifiers import opened  # noqa: E402
from ponder.verifiers.heads import Heads  # noqa: E402

[PROBLEM] = problems(1)
STEPS = [{"prompt": PROBLEM.question, "completions": ["good", "bad"], "labels": [True, False]}] * 2
VERDICTS = [row for text, right in (("good", 1.0), ("bad", 0.0)) for row in sets.verdicts([sets.Attempt(PROBLEM, text, right)])]
RECIPE = Recipe(rows=4, width=600, peak=1e-2, warmup=1, decay=0.0, keep=1000)


def trained(folder, rows, kind):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    name, tokenizer = tiny(folder / "random")
    model = transformers.AutoModel.from_pretrained(name)
    recipe = replace(RECIPE, steps=25 if kind == "prm" else 60)
    head.fit(model, tokenizer, head.lessons(rows, tokenizer, kind, 600), kind, recipe, folder / "trained")

    async def run():
        async with opened(f"{kind}:{folder / 'trained'}", PROBLEM.task) as verifier:
            with trace.tracing(Trace()):
                return await verifier(PROBLEM, [Sample("good\nbad"), Sample("good"), Sample("bad")])

    return asyncio.run(run())


@pytest.mark.parametrize(("kind", "rows"), [("prm", STEPS), ("orm", VERDICTS)])
def test_a_trained_head_plugs_in_by_its_path(tmp_path, kind, rows):
    both, good, bad = trained(tmp_path, rows, kind)
    assert good.value > 0.8
    assert bad.value < 0.2 or kind == "prm"  # alone, a bad step is a first step, which the set never calls wrong
    assert len(both.steps) == (2 if kind == "prm" else 0)
    assert both.value < 0.2 or kind == "orm"


def test_the_loss_of_a_fresh_head_is_log_two(tmp_path):
    """Its weights are 0: everything has the value one half."""
    name, tokenizer = tiny(tmp_path)
    model = transformers.AutoModel.from_pretrained(name)
    model.v_head = torch.nn.Linear(32, 1)
    torch.nn.init.zeros_(model.v_head.weight)
    torch.nn.init.zeros_(model.v_head.bias)
    taught = head.lessons(STEPS, tokenizer, "prm", 600)
    assert head.loss(model, taught, "v_head").item() == pytest.approx(0.693147, abs=1e-6)
    assert [len(one.places) for one in taught] == [2, 2]
    short = replace(taught[0], ids=taught[0].ids[:-4], places=taught[0].places[:1], right=[True])
    assert head.loss(model, [short, taught[1]], "v_head").item() == pytest.approx(0.693147, abs=1e-6)  # padded


def test_rows_that_are_no_set_are_refused(tmp_path):
    _, tokenizer = tiny(tmp_path)
    with pytest.raises(InputError, match=r"has no 'prompt'"):
        head.lessons([{"question": "?"}], tokenizer, "prm", 600)
    with pytest.raises(InputError, match="no row of the set has 3 tokens"):
        head.lessons(STEPS, tokenizer, "prm", 3)


def test_the_command_rehearses_on_labels_and_names_its_verifier(tmp_path, capsys):
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"question":"q","chains":[{"steps":["good","bad"],"values":[null,0.5]},{"steps":["bad"],"values":[0.0]}]}\n')
    assert [row["labels"] for row in head.rows(labels)] == [[True, True], [False]]
    assert cli.main(["train", "prm", str(labels), str(tmp_path / "made"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"verifier": f"prm:{tmp_path / 'made'}"}
    assert Heads(tmp_path / "made").format == "skywork"
