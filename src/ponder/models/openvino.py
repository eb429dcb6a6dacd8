"""The embedded engine as a model: OpenVINO GenAI's continuous batching over a GGUF file or an OpenVINO directory.

Every draw is a request of its own in the engine's process (`engine.py`), so that it streams and is cancelled alone. Here are the
prompts: the model's chat template is rendered and encoded, the prefix is encoded by itself and follows, so that the boundary
between them never moves and continuations of one prompt find it in the prefix cache.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import queue
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ponder.config import cache_path
from ponder.cost import architecture
from ponder.cost.architecture import Architecture
from ponder.errors import AbilityMissing, InputError, ModelError
from ponder.models import gguf
from ponder.models.engine import Cancel, Message, Piece, Start, frame, silence_telemetry
from ponder.types import Abilities, Chunk, Price, Request, Usage
from ponder.types import Message as Turn


class OpenVINO:
    """A model in a file (a `types.Model`), loaded when it is made. Use it from any number of event loops, one after the other.

    `path` is a GGUF file of the Llama family (F16 or Q8_0) or a directory that `optimum-cli export openvino` has written. Raises
    InputError if there is neither, ModelError if the engine cannot load it. `close` ends the engine's process, and so does
    dropping the model or ending the program. Without `caching` every prompt is computed anew: for measurements.

    Token log-probabilities are the model's own, before temperature and top-p. Cached prompt tokens are counted by the engine's
    block rule (`blocks.py`), everything else by the engine: `abilities.usage_source` says so.
    """

    abilities = Abilities(continues=True, logprobs=True, prompt_logprobs=True, seed=True, usage_source="rule")

    def __init__(
        self, path: Path | str, *, name: str | None = None, price: Price | None = None, concurrency: int = 64, caching: bool = True
    ) -> None:
        self._path = Path(path).expanduser().resolve()
        weights = _weights(self._path)
        self.name = name or f"openvino:{path}"
        self.price, self.concurrency = price, concurrency
        self._process = _Process(self._path, caching)
        self._end = weakref.finalize(self, self._process.stop)
        known = _known(weights)
        self.parameters, self.context, self.architecture = known.parameters, known.context, known.architecture
        if self.architecture is not None:
            self.parameters = self.architecture.active or self.architecture.parameters
        self.fingerprint = f"openvino:{known.sha256}"
        prompts = _Prompts(self._path, known.bos)
        self._encode, self._decode = lru_cache(maxsize=1024)(prompts.encode), lru_cache(maxsize=4096)(prompts.decode)
        self._process.ready()

    def prompt_tokens(self, request: Request) -> int:
        """The prompt's length, with the prefix, and one more: a draw may compute the last token again, for those that follow."""
        return len(self._encode(request.messages, request.prefix)) + 1

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """One draw. Closing the generator takes it out of the engine with the next step.

        Raises InputError for a request that the engine cannot run, ModelError if the engine fails.
        """
        prompt = self._encode(request.messages, request.prefix)
        self._require(request, len(prompt))
        draw = self._process.start(request, prompt)
        piece, completion = Piece(0), 0
        try:
            while piece.finish is None:
                piece = await draw.pieces.get()
                if piece.error is not None:
                    raise ModelError(f"`{self.name}`: {piece.error}")
                completion += len(piece.tokens)
                yield Chunk(
                    text=piece.text,
                    token_ids=tuple(piece.tokens),
                    logprobs=tuple(piece.logprobs),
                    prompt_logprobs=tuple(piece.scores),
                    finish_reason=piece.finish,
                    stop=piece.stop,
                    tokens=tuple(map(self._decode, piece.tokens)) if request.logprobs else (),
                    usage=Usage(1, len(prompt) + piece.kept, piece.cached, completion),
                )
        finally:
            self._process.finish(draw, cancelled=piece.finish is None)

    async def close(self) -> None:
        await asyncio.to_thread(self._end)

    def _require(self, request: Request, prompt: int) -> None:
        if request.n != 1:
            raise AbilityMissing(self.name, "n", f"a call draws once, not {request.n} times; call `stream` for each draw")
        if request.max_tokens < 1 or request.temperature < 0 or not 0 < request.top_p <= 1 or "" in request.stop:
            raise InputError(
                f"max_tokens must be at least 1, temperature at least 0, top_p in (0, 1] and no stop string empty: "
                f"{request.max_tokens}, {request.temperature}, {request.top_p}, {request.stop}"
            )
        if request.prompt_logprobs and request.max_tokens != 1:
            raise InputError(
                f"prompt log-probabilities come with max_tokens=1, not {request.max_tokens}: score in one request, draw in another"
            )
        if self.context is not None and prompt + request.max_tokens > self.context:
            raise InputError(
                f"the prompt's {prompt} tokens and max_tokens={request.max_tokens} exceed the context of {self.context} tokens "
                f"of `{self.name}`; shorten the prompt or lower --max-tokens"
            )


class _Prompts:
    """Messages to token ids. Without a chat template the contents are joined by line ends, as a base model expects."""

    def __init__(self, path: Path, bos: int | None) -> None:
        silence_telemetry()
        from openvino_genai import Tokenizer

        self._tokenizer, self._bos = Tokenizer(str(path)), bos

    def encode(self, messages: tuple[Turn, ...], prefix: str) -> tuple[int, ...]:
        """The ids, which begin with the BOS token exactly once where the model wants it."""
        prompt = self._ids(self._render(messages))
        if self._bos is not None and prompt[:1] != [self._bos]:
            prompt = [self._bos, *prompt]
        ids = prompt + self._ids(prefix)
        if not ids:
            raise InputError("the prompt is empty; give the model at least one message with some text")
        return tuple(ids)

    def decode(self, token: int) -> str:
        """The text of one token; of one that holds a part of a character only, a replacement character."""
        return str(self._tokenizer.decode([token], skip_special_tokens=False))

    def _render(self, messages: tuple[Turn, ...]) -> str:
        if not self._tokenizer.chat_template:
            return "\n".join(message.content for message in messages)
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, add_generation_prompt=True))

    def _ids(self, text: str) -> list[int]:
        if not text:
            return []
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0].tolist()
        return ids


@dataclass(eq=False, slots=True)
class _Draw:
    """A draw's way back: its pieces arrive in the event loop that asked for it."""

    id: int
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Piece]


class _Process:
    """The engine's process, a thread that writes to it (a full pipe must not halt the event loop) and one that reads from it."""

    def __init__(self, path: Path, caching: bool) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        command = [sys.executable, "-m", "ponder.models.engine", str(path), *([] if caching else ["uncached"])]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._draws: dict[int, _Draw] = {}
        self._numbers = itertools.count(1)
        self._ended: str | None = None
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]

    def ready(self) -> None:
        """Wait until the model is loaded; raises ModelError if it cannot be."""
        first = self._receive()
        if first:
            self.stop()
            raise ModelError(f"OpenVINO cannot load this model: {first[0].error}; it takes GGUF files of the Llama family")
        if first is None:
            raise ModelError(f"the engine's process ended while it loaded the model: {self._last_words()}")
        for thread in self._threads:
            thread.start()

    def start(self, request: Request, prompt: tuple[int, ...]) -> _Draw:
        draw = _Draw(next(self._numbers), asyncio.get_running_loop(), asyncio.Queue())
        with self._lock:
            if self._ended is not None:
                raise ModelError(self._ended)
            self._draws[draw.id] = draw
        self._outbox.put(
            Start(
                draw.id,
                prompt,
                request.max_tokens,
                request.temperature,
                request.top_p,
                request.seed,
                request.stop,
                request.logprobs,
                request.prompt_logprobs,
            )
        )
        return draw

    def finish(self, draw: _Draw, cancelled: bool) -> None:
        with self._lock:
            self._draws.pop(draw.id, None)
        if cancelled:
            self._outbox.put(Cancel(draw.id))

    def stop(self) -> None:
        """End the process: it ends with its input, and is killed if it does not within ten seconds."""
        self._fail("the model is closed; open it again")
        self._outbox.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(10)
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()  # type: ignore[union-attr]
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()  # type: ignore[union-attr]
        self._log.close()

    def _write(self) -> None:
        encoder, pipe = msgspec.msgpack.Encoder(), self._child.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            while (message := self._outbox.get()) is not None:
                pipe.write(frame(encoder.encode(message)))
                pipe.flush()
            pipe.close()

    def _read(self) -> None:
        while (pieces := self._receive()) is not None:
            self._deliver(pieces)
        if self._ended is None:
            self._fail(f"the engine's process ended: {self._last_words()}")

    def _receive(self) -> list[Piece] | None:
        """The next frame, or None at the end of the output."""
        pipe = self._child.stdout
        assert pipe is not None
        size = int.from_bytes(pipe.read(4), "little")
        return msgspec.msgpack.decode(pipe.read(size), type=list[Piece]) if size else None

    def _deliver(self, pieces: list[Piece]) -> None:
        """Hand the pieces over, with one call for each event loop."""
        loops: dict[asyncio.AbstractEventLoop, list[tuple[_Draw, Piece]]] = {}
        with self._lock:
            for piece in pieces:
                draw = self._draws.get(piece.id)
                if draw is not None:
                    loops.setdefault(draw.loop, []).append((draw, piece))
        for loop, batch in loops.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_put, batch)

    def _fail(self, why: str) -> None:
        with self._lock:
            self._ended = self._ended or why
            waiting = list(self._draws)
        self._deliver([Piece(number, error=why) for number in waiting])

    def _last_words(self) -> str:
        code = self._child.wait()
        self._log.seek(0)
        return f"exit code {code}; {self._log.read()[-2000:].decode(errors='replace').strip() or 'it said nothing'}"


def _put(batch: list[tuple[_Draw, Piece]]) -> None:
    for draw, piece in batch:
        draw.pieces.put_nowait(piece)


@dataclass(frozen=True, slots=True)
class _Known:
    sha256: str
    parameters: int | None
    context: int | None
    bos: int | None
    architecture: Architecture | None


def _weights(path: Path) -> Path:
    """The file that holds the weights; raises InputError if there is none."""
    if path.is_file():
        return path
    inside = path / "openvino_model.bin"
    if inside.is_file():
        return inside
    raise InputError(f"there is no GGUF file and no OpenVINO directory (with openvino_model.bin) at {path}; check the path")


def _known(weights: Path) -> _Known:
    """The file's checksum and facts, kept by path, size and time: to read 150 MB again takes a second."""
    found = weights.stat()
    key = f"{weights}:{found.st_size}:{found.st_mtime_ns}"
    kept = cache_path() / "openvino" / "files.json"
    table: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        table = json.loads(kept.read_text())
    if "architecture" not in table.get(key, ()):
        facts = _directory(weights.parent) if weights.suffix == ".bin" else gguf.facts(weights)
        table[key] = {"sha256": gguf.checksum(weights), **asdict(facts)}
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False) as partial:
            json.dump(table, partial)
        Path(partial.name).replace(kept)
    return msgspec.convert(table[key], _Known)


def _directory(path: Path) -> gguf.Facts:
    """What an OpenVINO directory says in its configuration. Its weights are packed: the parameter count is not known."""
    config = json.loads((path / "config.json").read_text()) if (path / "config.json").is_file() else {}
    with contextlib.suppress(InputError):
        return gguf.Facts(None, config.get("max_position_embeddings"), None, architecture.read(path))
    return gguf.Facts(None, config.get("max_position_embeddings"), None)
