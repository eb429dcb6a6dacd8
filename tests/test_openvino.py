"""The embedded engine on the built-in model: real inference, one process for all tests."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import ponder.models
from ponder.errors import AbilityMissing, InputError, ModelError
from ponder.models.engine import Draw, Start, first_stop, withheld
from ponder.models.openvino import OpenVINO
from ponder.types import Chunk, Message, Request, Usage

MINI = Path(ponder.models.__file__).with_name("mini.gguf")
ASK = (Message("user", "compute left to right 12+7-3*2+41+9-5"),)

pytestmark = pytest.mark.skipif(not MINI.is_file(), reason="the package has no mini.gguf")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVINO]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONDER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        opened = OpenVINO(MINI)
        yield opened
        asyncio.run(opened.close())


async def chunks(model: OpenVINO, **settings: Any) -> list[Chunk]:
    request = Request(ASK, **{"max_tokens": 24, "temperature": 1.0, **settings})
    return [chunk async for chunk in model.stream(request)]


def draw(model: OpenVINO, **settings: Any) -> list[Chunk]:
    return asyncio.run(chunks(model, **settings))


def text(seen: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in seen)


def tokens(seen: list[Chunk]) -> list[int]:
    return [token for chunk in seen for token in chunk.token_ids]


def test_a_seed_gives_the_same_tokens_alone_and_beside_others(model: OpenVINO) -> None:
    async def together() -> list[list[Chunk]]:
        return await asyncio.gather(*(chunks(model, seed=seed, temperature=2.0) for seed in range(16)))

    alone = [tokens(draw(model, seed=seed, temperature=2.0)) for seed in range(4)]
    assert [tokens(one) for one in asyncio.run(together())[:4]] == alone
    assert len({tuple(one) for one in alone}) > 1


def test_temperature_0_is_greedy(model: OpenVINO) -> None:
    assert tokens(draw(model, temperature=0.0, seed=1)) == tokens(draw(model, temperature=0.0, seed=2))


def test_the_last_chunk_carries_the_exact_usage(model: OpenVINO) -> None:
    seen = draw(model, seed=3, max_tokens=5)
    assert seen[-1].finish_reason in {"length", "stop"}
    usage = seen[-1].usage
    assert usage is not None
    assert usage.calls == 1
    assert usage.completion == len(tokens(seen))
    assert model.prompt_tokens(Request(ASK)) - usage.prompt in (0, 1)


def test_siblings_find_the_prompt_of_the_first_draw_cached(model: OpenVINO) -> None:
    ask = (Message("user", "countdown 1 2 3 4 to 10 and something that no other test asks"),)

    async def usages() -> list[Usage]:
        async def last(seed: int) -> Usage:
            seen = [chunk async for chunk in model.stream(Request(ask, max_tokens=4, seed=seed))]
            assert seen[-1].usage is not None
            return seen[-1].usage

        return await asyncio.gather(*(last(seed) for seed in range(8)))

    found = asyncio.run(usages())
    prompt = min(usage.prompt for usage in found)
    assert sorted(usage.cached for usage in found) == [0] + [prompt - 1] * 7
    assert sum(usage.prompt - prompt for usage in found) <= 1  # one of them keeps the prompt for those to come


def test_log_probabilities_are_one_a_token_and_the_models_own(model: OpenVINO) -> None:
    hot = draw(model, logprobs=True, max_tokens=1, temperature=3.0, seed=5)
    scored = draw(model, prompt_logprobs=True, max_tokens=1, temperature=0.0, prefix="12")
    assert len(hot[-1].logprobs) == 1
    assert hot[-1].logprobs[0] <= 0
    prompt = scored[-1].prompt_logprobs
    assert len(prompt) == model.prompt_tokens(Request(ASK, prefix="12")) - 1
    assert prompt[0] is None
    assert all(one is not None and one <= 0 for one in prompt[1:])


def test_prompt_log_probabilities_equal_those_of_the_drawn_tokens(model: OpenVINO) -> None:
    """Drawing `t` greedily and scoring the prompt with `t` as prefix must agree: one distribution, read in two ways."""
    drawn = draw(model, logprobs=True, temperature=0.0, max_tokens=6)
    scored = draw(model, prompt_logprobs=True, max_tokens=1, prefix=text(drawn))
    given = [probability for chunk in drawn for probability in chunk.logprobs]
    assert list(scored[-1].prompt_logprobs[-6:]) == pytest.approx(given, abs=1e-3)


def test_a_stop_string_ends_the_text_and_is_named(model: OpenVINO) -> None:
    whole = text(draw(model, temperature=0.0))
    stop = whole[7:10]
    seen = draw(model, temperature=0.0, stop=(stop,))
    assert text(seen) == whole[: whole.index(stop)]
    assert (seen[-1].finish_reason, seen[-1].stop) == ("stop", stop)


def test_a_prefix_is_continued(model: OpenVINO) -> None:
    whole = text(draw(model, temperature=0.0))
    assert text(draw(model, temperature=0.0, prefix=whole[:6], max_tokens=18)) == whole[6:]


def test_closing_a_stream_frees_the_engine(model: OpenVINO) -> None:
    """The draw that is left asks for far more than the test waits for; another one still comes at once."""

    async def leave() -> None:
        async with aclosing(model.stream(Request(ASK, max_tokens=400, temperature=1.0, stop=("\0",)))) as stream:
            await anext(stream)
        await asyncio.wait_for(chunks(model, max_tokens=2), 20)

    asyncio.run(leave())
    assert not model._process._draws


def test_what_cannot_run_says_why_and_leaves_the_engine_alive(model: OpenVINO) -> None:
    with pytest.raises(InputError, match="exceed the context of 512 tokens"):
        draw(model, max_tokens=1000)
    with pytest.raises(AbilityMissing, match="draws once"):
        draw(model, n=2)
    with pytest.raises(InputError, match="max_tokens=1"):
        draw(model, prompt_logprobs=True)
    with pytest.raises(InputError, match="top_p"):
        draw(model, top_p=0.0)
    assert draw(model, max_tokens=1)


def test_a_missing_or_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"no GGUF file .*nothing\.gguf"):
        OpenVINO(tmp_path / "nothing.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUX" + bytes(100))
    with pytest.raises(InputError, match=r"broken\.gguf is not a GGUF file"):
        OpenVINO(broken)


def test_the_fingerprint_is_the_weights_and_the_parameters_are_counted(model: OpenVINO) -> None:
    assert model.fingerprint.startswith("openvino:")
    assert len(model.fingerprint) == len("openvino:") + 64
    assert model.parameters is not None
    assert 2e6 < model.parameters < 5e6


def test_a_dropped_model_and_a_killed_engine_end_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path))
    model = OpenVINO(MINI)
    child = model._process._child
    child.kill()
    child.wait()
    with pytest.raises(ModelError, match="process ended"):
        draw(model)
    del model
    gc.collect()
    assert child.stdin is not None
    assert child.stdin.closed


def test_no_connection_leaves_on_import_load_or_run(tmp_path: Path) -> None:
    """Every Python process of the run, the engine's too, writes what it does with sockets; telemetry would also write to HOME."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'os.fork'):\n"
        "        with open(os.environ['AUDIT'], 'a') as file: file.write(f'{event} {arguments}\\n')\n"
        "sys.addaudithook(hook)\n"
        "open(os.environ['AUDIT'], 'a').write('watched\\n')\n"
    )
    program = (
        "import asyncio, sys; from ponder.models.openvino import OpenVINO; from ponder.types import Message, Request\n"
        "async def run(model):\n"
        "    print(len([chunk async for chunk in model.stream(Request((Message('user', 'hello'),), max_tokens=2))]))\n"
        "asyncio.run(run(OpenVINO(sys.argv[1])))"
    )
    home = tmp_path / "home"
    home.mkdir()
    watched = {"AUDIT": str(tmp_path / "audit"), "HOME": str(home), "PYTHONPATH": str(tmp_path), "PONDER_CACHE_DIR": str(tmp_path)}
    without_ci = {name: value for name, value in os.environ.items() if name not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    subprocess.run([sys.executable, "-c", program, str(MINI)], env=without_ci | watched, check=True, timeout=120)
    assert (tmp_path / "audit").read_text().split("\n") == ["watched", "watched", ""]
    assert not list(home.iterdir())


def test_stop_strings_are_found_early_and_their_beginnings_withheld() -> None:
    assert first_stop(b"one\ntwo END", (b"END", b"\n")) == (3, 1)
    assert first_stop(b"one", (b"END",)) is None
    assert withheld(b"the E", (b"END",)) == 1
    assert withheld(b"the EN", (b"END", b"N!")) == 2
    assert withheld(b"the", (b"\n",)) == 0


def test_a_character_is_never_broken() -> None:
    """The four bytes of one character in four tokens come out as one; a character that the limit cuts off does not come out."""
    start = Start(1, (1,), 9, 1.0, 1.0, 0, (), False, False)
    one = Draw(start, None, 0, ())
    vocabulary = [bytes([byte]) for byte in "🦊é".encode()]
    texts = []
    for token in range(5):
        one.add([token], [], vocabulary)
        one.finish = "length" if token == 4 else None
        texts.append(one.piece().text)
    assert texts == ["", "", "", "🦊", ""]
