"""Learning from trees of solutions: one pass over a tree is that over each of its chains; hindsight keeps to the training split."""

import json
import random

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder import cli  # noqa: E402
from ponder.tasks import countdown, get  # noqa: E402
from ponder.train import loop, prm  # noqa: E402
from ponder.train.data import BOS, encode  # noqa: E402
from ponder.train.rollouts import Chain, Labelled  # noqa: E402
from ponder.verifiers.prm import inline  # noqa: E402
from tiny import llama  # noqa: E402

ASKED = countdown.problem(get("countdown-4"), (3, 7, 8, 8), 24)
CHAINS = (
    Chain(("8-7=1 left 3 8 1", "8*3=24 left 1 24", "24*1=24"), (1.0, 1.0, 1.0)),
    Chain(("8-7=1 left 3 8 1", "8*3=24 left 1 24", "24-1=23"), (1.0, 1.0, 0.0)),
    Chain(("8-7=1 left 3 8 1", "8+3=11 left 1 11"), (1.0, None)),
)


def tiny():
    return llama(initializer_range=0.5).eval()


def test_a_tree_judges_each_step_as_the_verifier_would():
    """Each value is that of the plain pass over the verifier's own request: what the model puts behind it, ` +` against ` -`."""
    model = tiny()
    found = prm.judged(model, ASKED.question, CHAINS)
    assert set(found) == {chain.steps[:size] for chain in CHAINS for size in range(1, len(chain.steps) + 1)}
    for begun, value in found.items():
        ids = [BOS, *encode(f"{ASKED.question}\n{inline(ASKED, begun).prefix}")]
        with torch.no_grad():
            last = model(input_ids=torch.tensor([ids])).logits[0, -1]
        good, bad = encode("+")[0], encode("-")[0]
        assert value == pytest.approx(float((last[good] - last[bad]).sigmoid()), abs=1e-5)


def test_a_shared_beginning_is_there_once_and_what_is_unknown_has_no_label():
    grown = prm.tree(ASKED.question, CHAINS, 1000)
    lines = ["8-7=1 left 3 8 1 24 +\n", "8*3=24 left 1 24 24 +\n", "24*1=24 24 +\n", "24-1=23 24 +\n", "8+3=11 left 1 11 24 +\n"]
    assert grown.tokens.tolist() == [BOS, *encode(ASKED.question + "\n" + "".join(lines))]
    marks = grown.labels[~np.isnan(grown.labels)]
    assert marks.tolist() == [1, 1, 1, 0]
    assert set(grown.tokens[~np.isnan(grown.labels)]) == set(encode("+"))
    assert prm.tree(ASKED.question, CHAINS, len(grown.tokens) - 1).tokens.tolist() == grown.tokens[: -len(lines[-1])].tolist()
    assert prm.tree(ASKED.question, CHAINS, 30) is None


def test_the_loss_is_the_cross_entropy_of_the_marks():
    model, found = tiny(), [Labelled(ASKED.question, CHAINS)]
    rows = prm.batch(found, seed=1, step=0, rows=2, width=200)
    assert all(np.array_equal(one, two, equal_nan=True) for one, two in zip(rows, prm.batch(found, 1, 0, 2, 200), strict=True))
    with torch.no_grad():
        loss = float(prm.judgement(model, rows))
        alone = [float(prm.judgement(model, prm.Tree(*(one[[row]] for one in rows)))) for row in (0, 1)]
    assert loss == pytest.approx(np.average(alone, weights=(~np.isnan(rows.labels)).sum(1)), rel=1e-5)


def test_hindsight_asks_for_what_was_reached_within_the_training_split():
    rng = random.Random(0)
    for numbers in ((3, 7, 8, 8), (4, 7, 8, 8), (5, 6, 8, 8), (2, 7, 9, 9)):
        steps = (f"{numbers[3]}+{numbers[2]}=1", "x", "1+1=50")
        one = prm.hindsight(Labelled(countdown.question(numbers, 24), (Chain(steps, (0.0, 0.0, 0.0)),)), rng)
        allowed = countdown.split_of(numbers, 50) == "train"
        assert one.question == countdown.question(numbers, 50 if allowed else 24)
    found = {
        prm.hindsight(Labelled(countdown.question((3, 7, 8, 8), 20), CHAINS), random.Random(seed)).question for seed in range(8)
    }
    for question in found:
        numbers, target = countdown.puzzle(question)
        assert target == 20 or countdown.split_of(numbers, target) == "train"
    lasts = set()
    for seed in range(8):
        one = prm.hindsight(Labelled(countdown.question((3, 7, 8, 8), 24), CHAINS[1:2]), random.Random(seed))
        assert (one.question, one.chains[0].values) == (countdown.question((3, 7, 8, 8), 23), (1.0, 1.0, 1.0))
        both = prm.hindsight(Labelled(countdown.question((3, 7, 8, 8), 24), CHAINS[:2]), random.Random(seed))
        assert [chain.values for chain in both.chains] == [(1.0, 1.0, 0.0), (1.0, 1.0, 1.0)]
        lasts.add(both.chains[0].steps[-1])
    assert lasts == {"24*1=24", "24*1=23"}  # the other may claim the new target, and is as wrong
    assert prm.hindsight(Labelled("compute left to right 1+1", CHAINS), rng).question == "compute left to right 1+1"


def test_walks_are_labelled_problems_of_the_training_split_one_of_which_is_solved():
    rng = random.Random(3)
    for _ in range(5):
        one = prm.walked(rng)
        numbers, target = countdown.puzzle(one.question)
        assert countdown.split_of(numbers, target) == "train"
        ends = [(chain.values[-1], chain.steps[-1].rpartition("=")[2] == str(target)) for chain in one.chains]
        assert all(value <= reached for value, reached in ends)  # some claim it falsely
        assert any(value for value, _ in ends)
        for chain in one.chains:
            assert list(chain.values) == sorted(chain.values, reverse=True)  # what is out of reach stays so


def test_drawn_labels_go_on_where_a_kill_left_them(tmp_path, monkeypatch):
    made = []

    def drawn(model, asked, solutions, seed):
        made.append(len(asked))
        return (Labelled(one.question, (Chain(("1+1=2",), (0.0,)),)) for one in asked)

    monkeypatch.setattr(prm, "drawn", drawn)
    monkeypatch.setattr(prm, "DRAWN", 4)
    path = tmp_path / "labels.jsonl"
    prm.extend(path, None, 10, 8, seed=1)
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:6]) + b'{"que')
    prm.extend(path, None, 10, 8, seed=1)
    assert path.read_bytes() == whole
    assert made == [10, 6]
    assert [one.question for one in prm.read(path)] == [one.question for one in prm.problems(10, 1)]
    assert msgspec.json.decode(whole.splitlines()[0], type=Labelled).chains[0].values == (0.0,)


def test_the_command_trains_and_names_its_verifier(tmp_path, capsys, monkeypatch):
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(msgspec.json.encode(Labelled(ASKED.question, CHAINS)) + b"\n")
    monkeypatch.setattr(loop, "load", lambda name: tiny())
    assert cli.main(["train", "prm", str(labels), str(tmp_path), "--steps", "1", "--threads", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"verifier": f"prm:{tmp_path / 'mini-prm.gguf'}"}
    assert loop.checksum(tmp_path / "mini-prm.gguf") in (tmp_path / "mini-prm.gguf.sha256").read_text()
