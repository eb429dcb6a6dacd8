"""Learning from trees of solutions: one pass over a tree is that over each of its chains; hindsight keeps to the training split."""

import json
import random
import re

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`: make test-train")
pytest.importorskip("transformers", reason="needs the extra `train`: make test-train")

from ponder import cli  # noqa: E402
from ponder.tasks import countdown, get  # noqa: E402
from ponder.train import loop, prm  # noqa: E402
from ponder.train.data import BOS, FIRST_BYTE, encode  # noqa: E402
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


def test_a_tree_is_read_as_the_verifier_would_ask_and_think():
    """What the model puts behind each thought in a pass over the tree is that of the plain pass over request and thought alone."""
    model = tiny()
    grown = prm.tree(ASKED.question, CHAINS, 1000)
    tokens, _, _, places, seen = (torch.from_numpy(one)[None] for one in grown)
    first = {chain.steps[:size]: chain for chain in reversed(CHAINS) for size in range(len(chain.steps), 0, -1)}
    begun = dict.fromkeys(chain.steps[:size] for chain in CHAINS for size in range(1, len(chain.steps) + 1))
    said = bytes(max(token - FIRST_BYTE, 0) for token in grown.tokens.tolist())
    ends = [found.start() for found in re.finditer(rb"\+\+\n", said)]
    with torch.no_grad():
        logits = model(input_ids=tokens, position_ids=places, attention_mask=seen[:, None]).logits[0]
        for steps, end in zip(begun, ends, strict=True):
            text, _ = prm.thought(ASKED.question, first[steps], len(steps))
            alone = [BOS, *encode(f"{ASKED.question}\n{inline(ASKED, steps).prefix}"), *text]
            assert grown.tokens[end - len(text) + 1 : end + 1].tolist() == text
            assert torch.allclose(model(input_ids=torch.tensor([alone])).logits[0, -2], logits[end - 1], atol=1e-4)


def test_a_shared_beginning_is_there_once_and_what_is_unknown_has_no_label():
    grown = prm.tree(ASKED.question, CHAINS, 1000)
    pieces = [
        "8-7=1 left 3 8 1 24 8*3=24 left 1 24\n24*1=24\n24-24=0 ++\n",
        "8*3=24 left 1 24 24 24*1=24\n24-24=0 ++\n",
        "24*1=24 24 24-24=0 ++\n",
        "24-1=23 24 24-23=1 ++\n",
        "8+3=11 left 1 11 24 24-0=24 ++\n",
    ]
    assert grown.tokens.tolist() == [BOS, *encode(ASKED.question + "\n" + "".join(pieces))]
    assert grown.labels[~np.isnan(grown.labels)].tolist() == [1, 1, 1, 0]
    assert set(grown.tokens[~np.isnan(grown.labels)]) == set(encode("+"))
    assert prm.tree(ASKED.question, CHAINS, len(grown.tokens) - 1).tokens.tolist() == grown.tokens[: -len(pieces[-1])].tolist()
    assert prm.tree(ASKED.question, CHAINS, 60) is None


def test_a_thought_is_how_the_chain_goes_on_and_of_a_wrong_one_what_it_computes_is_learnt():
    def learnt(chain: Chain, size: int) -> tuple[str, str]:
        text, told = prm.thought(ASKED.question, chain, size)
        said = bytes(token - FIRST_BYTE for token in text).decode()
        return said, "".join(letter if one else "." for letter, one in zip(said, told, strict=True))

    assert learnt(CHAINS[0], 1) == ("8*3=24 left 1 24\n24*1=24\n24-24=0 +", "8*3=24 left 1 24\n24*1=24\n24-24=0 .")
    assert learnt(CHAINS[1], 2) == ("24-1=23\n24-23=1 +", ".....23.24-23=1 .")
    assert learnt(Chain(("8-7=1 left 3 8 1", "24-1=24"), (1.0, 0.0)), 1) == ("24-1=24\n24-24=0 +", "........24-24=0 .")
    assert learnt(CHAINS[0], 3) == ("24-24=0 +", "24-24=0 .")
    sums = Chain(("1+1=2", "2+1=3", "answer 3"), (1.0, 1.0, 1.0))
    assert prm.thought("compute left to right 1+1+1", sums, 1) == (encode("+"), [False])  # no goal, no thought


def test_the_loss_is_the_cross_entropy_of_the_marks_and_of_the_thoughts():
    model, found = tiny(), [Labelled(ASKED.question, CHAINS)]
    rows = prm.batch(found, seed=1, step=0, rows=2, width=400)
    assert all(np.array_equal(one, two, equal_nan=True) for one, two in zip(rows, prm.batch(found, 1, 0, 2, 400), strict=True))
    silent = rows._replace(told=np.zeros_like(rows.told))
    with torch.no_grad():
        judging, both = ([float(part) for part in prm.judgement(model, one)] for one in (silent, rows))
        logits = model(
            input_ids=torch.from_numpy(rows.tokens),
            position_ids=torch.from_numpy(rows.places),
            attention_mask=torch.from_numpy(rows.seen)[:, None],
        ).logits[:, :-1]
    chances = torch.log_softmax(logits, -1).numpy()
    at, good, bad = ~np.isnan(rows.labels), encode("+")[0], encode("-")[0]
    values, marks = rows.labels[at], chances[at[:, 1:]]
    assert sum(judging) == pytest.approx(-(values * marks[:, good] + (1 - values) * marks[:, bad]).mean(), rel=1e-5)
    thoughts = np.take_along_axis(chances, rows.tokens[:, 1:, None], -1)[..., 0][rows.told[:, 1:]]
    assert sum(both) - sum(judging) == pytest.approx(-thoughts.mean(), rel=1e-4)
    assert len(both) == 2  # a part a row


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
