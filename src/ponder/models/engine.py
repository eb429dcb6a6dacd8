"""The embedded engine's own process: it steps OpenVINO GenAI, and talks with `openvino.py` through its standard input and output.

A process, because a step holds the interpreter's lock from its beginning to its end: in a thread it would halt the event loop for
as long (docs/openvino.md has the figures). It ends with its input, so that nothing keeps computing when the caller is gone.
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ponder.models.blocks import Blocks
from ponder.types import FinishReason

INTERVAL = 0.02  # seconds: text is handed over at most so often, because waking a task costs as much as a small model's token
_NOBODY = 1 << 62  # from here on are the numbers of draws that nobody asked for


class Start(msgspec.Struct, tag="start", array_like=True):
    """One draw. `score` asks for the prompt's log-probabilities."""

    id: int
    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]
    logprobs: bool
    score: bool


class Cancel(msgspec.Struct, tag="cancel", array_like=True):
    id: int


class Piece(msgspec.Struct, array_like=True):
    """What a draw has produced since its last piece. The last one has `finish` or `error`."""

    id: int
    text: str = ""
    tokens: list[int] = []
    logprobs: list[float] = []
    scores: list[float | None] = []
    cached: int = 0
    finish: FinishReason | None = None
    stop: str | None = None
    error: str | None = None
    kept: int = 0


Message = Start | Cancel


def frame(data: bytes) -> bytes:
    """A message on a pipe: its length in four bytes, then itself."""
    return len(data).to_bytes(4, "little") + data


def silence_telemetry() -> None:
    """OpenVINO reports its import to a server if `openvino_telemetry` can be imported; None in its place forbids that."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)


def pieces_of(tokenizer: Any) -> list[bytes]:
    """The bytes of every token, by id; none for the special ones, which are not text."""
    vocabulary = {number: piece for piece, number in tokenizer.get_vocab().items()}
    anchor = next(number for number, piece in vocabulary.items() if piece == b"a")
    numbers = range(max(vocabulary) + 1)
    bare, *shown = tokenizer.decode([[anchor], *([anchor, number] for number in numbers)])
    sentencepiece = b" " not in vocabulary.values()
    return [
        _bytes(vocabulary.get(number, b""), sentencepiece) if text != bare else b""
        for number, text in zip(numbers, shown, strict=True)
    ]


def _bytes(piece: bytes, sentencepiece: bool) -> bytes:
    """SentencePiece writes a space as U+2581 and a byte as `<0x0A>`; byte-level vocabularies hold the bytes themselves."""
    if not sentencepiece:
        return piece
    if len(piece) == 6 and piece.startswith(b"<0x") and piece.endswith(b">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace("\u2581".encode(), b" ")


def first_stop(text: bytes | bytearray, stops: Sequence[bytes]) -> tuple[int, int] | None:
    """Where the earliest stop string begins and which one it is; of two at one place, the one listed first."""
    hits = [(text.find(stop), which) for which, stop in enumerate(stops)]
    return min((hit for hit in hits if hit[0] >= 0), default=None)


def withheld(text: bytes | bytearray, stops: Sequence[bytes]) -> int:
    """How many bytes at the end of `text` could be the beginning of a stop string."""
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)


@dataclass(slots=True)
class Draw:
    """One draw as it grows. `decoder` keeps an unfinished character back, `text` what could become a stop string.

    `kept` tokens were computed for the next draw of the prompt (`Engine._keep`); this one pays for them.
    """

    start: Start
    handle: Any
    cached: int
    stops: tuple[bytes, ...]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    sent: int = 0
    finish: FinishReason | None = None
    stop: str | None = None
    error: str | None = None
    kept: int = 0

    @property
    def over(self) -> bool:
        return self.finish is not None or self.error is not None

    def add(self, tokens: Sequence[int], logprobs: Sequence[float], vocabulary: Sequence[bytes]) -> None:
        """Take what was sampled; at a stop string the draw is over."""
        self.tokens += tokens
        if self.start.logprobs:
            self.logprobs += logprobs
        for token in tokens:
            self.text += vocabulary[token]
        found = first_stop(self.text, self.stops) if self.stops else None
        if found is not None:
            del self.text[found[0] :]
            self.finish, self.stop = "stop", self.start.stop[found[1]]

    def piece(self) -> Piece:
        """Everything since the last piece."""
        ready = len(self.text) - (0 if self.over else withheld(self.text, self.stops))
        text = self.decoder.decode(bytes(self.text[:ready]))
        del self.text[:ready]
        fresh = slice(self.sent, None)
        self.sent = len(self.tokens)
        scores, self.scores = self.scores, []
        return Piece(
            self.start.id,
            text,
            self.tokens[fresh],
            self.logprobs[fresh],
            scores,
            self.cached,
            self.finish,
            self.stop,
            self.error,
            self.kept,
        )


class Engine:
    """Two pipelines over one file: one with the prefix cache, and, when it is first needed, one without it, which scores prompts.

    (The engine gives no log-probabilities for prompt tokens that it finds in its cache.)
    """

    def __init__(self, path: Path, caching: bool = True) -> None:
        silence_telemetry()
        import openvino_genai

        self._genai, self._path, self._caching = openvino_genai, path, caching
        self._going = openvino_genai.GenerationFinishReason.NONE
        self._blocks = Blocks()
        self._waiting: dict[int, Start] = {}
        self._draws: dict[int, Draw] = {}
        self._begun: list[Draw] = []
        self._flushed = 0.0
        self._drawer = self._pipeline(caching, cache_gigabytes(path))
        self._scorer: Any = None
        tokenizer = self._drawer.get_tokenizer()
        self._vocabulary = pieces_of(tokenizer)
        self._ends = self._drawer.get_config().stop_token_ids | {tokenizer.get_eos_token_id()}

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._draws and not self._drawer.has_non_finished_requests()

    def take(self, message: Message) -> None:
        """A new draw waits for the next step; a cancelled one leaves the engine with it."""
        if isinstance(message, Start):
            self._waiting[message.id] = message
        elif message.id in self._draws:
            self._drop(self._draws.pop(message.id))
        else:
            self._waiting.pop(message.id, None)

    def step(self) -> list[Piece]:
        """Admit what waits, decode one token of every draw, and return what there is to hand over."""
        refused = [piece for start in list(self._waiting.values()) for piece in self._admit(start)]
        self._keep()
        try:
            for pipe in (self._drawer, self._scorer):
                if pipe is not None and pipe.has_non_finished_requests():
                    pipe.step()
        except Exception as error:  # noqa: BLE001 - whatever broke in the engine is the draws' error; the process goes on
            for draw in self._draws.values():
                draw.error = f"the engine failed in a step: {error}"
        self._blocks.stepped()
        for draw in self._draws.values():
            self._collect(draw)
        return refused + self._hand_over()

    def _admit(self, start: Start) -> Iterator[Piece]:
        """Give a draw to the engine, unless another is just computing the same prompt: then its turn comes right behind it."""
        reuses = self._caching and not start.score
        if reuses and self._blocks.busy(start.prompt):
            return
        del self._waiting[start.id]
        try:
            handle = self._request(start)
        except Exception as error:  # noqa: BLE001 - one refused request is its own error, and the piece records it
            yield Piece(start.id, error=f"the engine refused the request: {error}")
            return
        cached = self._blocks.begin(start.prompt) if reuses else 0
        self._draws[start.id] = Draw(start, handle, cached, tuple(stop.encode() for stop in start.stop))

    def _keep(self) -> None:
        """Have the begun block at the end of a prompt found again by draws yet to come.

        It is lost when its draws go on in it, unless another request has it at that time: one admitted with this step, else one
        that draws a single token, for nobody, and computes no more than the prompt's last.
        """
        begun, self._begun = self._begun, []
        held = {draw.start.prompt for draw in self._draws.values() if not draw.tokens} if begun else set()
        for draw in begun:
            prompt = draw.start.prompt
            if self._caching and prompt not in held and not draw.over and self._blocks.leaves(prompt):
                keeper = Start(_NOBODY + draw.start.id, prompt, 1, 0.0, 1.0, 0, (), False, False)
                try:
                    handle = self._request(keeper)
                except Exception:  # noqa: BLE001 - nobody asked for it: draws to come compute the block again, and are charged for it
                    continue
                cached = self._blocks.begin(prompt)
                self._draws[keeper.id] = Draw(keeper, handle, cached, ())
                draw.kept = len(prompt) - cached
                held.add(prompt)

    def _request(self, start: Start) -> Any:
        from numpy import array
        from openvino import Tensor

        config = self._genai.GenerationConfig(
            max_new_tokens=start.max_tokens,
            do_sample=start.temperature > 0,
            temperature=start.temperature or 1.0,
            top_p=start.top_p,
            rng_seed=start.seed & 0xFFFFFFFF,
            logprobs=int(start.logprobs or start.score),
            echo=start.score,
            apply_chat_template=False,
        )
        if start.score and self._scorer is None:
            self._scorer = self._pipeline(False, 1)
        pipe = self._scorer if start.score else self._drawer
        return pipe.add_request(start.id, Tensor(array([start.prompt], dtype="int64")), config)

    def _collect(self, draw: Draw) -> None:
        handle = draw.handle
        if not draw.over and not handle.can_read() and handle.get_status() == self._genai.GenerationStatus.IGNORED:
            draw.error = "the engine ran out of memory for the attention cache; lower the concurrency or max_tokens"
        while not draw.over and handle.can_read():
            for output in handle.read().values():
                self._read(draw, output.generated_ids, output.generated_log_probs, output.finish_reason != self._going)

    def _read(self, draw: Draw, tokens: list[int], logprobs: list[float], ended: bool) -> None:
        first = not draw.tokens
        if draw.start.score:
            size = len(draw.start.prompt)
            draw.scores = [None, *logprobs[1:size]]
            tokens, logprobs = tokens[size:], logprobs[size:]
        draw.add(tokens, logprobs, self._vocabulary)
        if draw.finish is None and ended:
            draw.finish = "stop" if draw.tokens and draw.tokens[-1] in self._ends else "length"
        if first and not draw.start.score:
            self._blocks.computed(draw.start.prompt)
            self._begun.append(draw)
            self._measure(draw)

    def _measure(self, draw: Draw) -> None:
        """The cache's size in blocks, from the share of it that the first draw has taken."""
        if self._blocks.capacity is None and len(self._draws) == 1:
            usage = self._drawer.get_metrics().cache_usage
            self._blocks.capacity = int(-(-len(draw.start.prompt) // 32) * 100 / usage) if usage else None

    def _hand_over(self) -> list[Piece]:
        """The pieces of finished draws, and now and then those of all others."""
        due = time.monotonic() - self._flushed >= INTERVAL
        ready = [draw for draw in self._draws.values() if draw.over or (due and draw.sent < len(draw.tokens))]
        if due:
            self._flushed = time.monotonic()
        pieces = [draw.piece() for draw in ready if draw.start.id < _NOBODY]
        for draw in ready:
            if draw.over:
                self._drop(self._draws.pop(draw.start.id))
        return pieces

    def _drop(self, draw: Draw) -> None:
        """A draw is over: the engine lets it go with its next step, and its blocks stay."""
        draw.handle.cancel()
        if not draw.start.score:
            self._blocks.end(draw.start.prompt, [*draw.start.prompt, *draw.tokens[:-1]])

    def _pipeline(self, caching: bool, gigabytes: int) -> Any:
        """Computes and caches in float32 and does not quantise activations: else a draw depends on what runs beside it.

        Threads are not pinned: all wait for the slowest, and a pinned one cannot leave a core that another process takes.
        """
        scheduler = self._genai.SchedulerConfig()
        scheduler.enable_prefix_caching = caching
        scheduler.cache_size = gigabytes
        scheduler.max_num_seqs = 256
        scheduler.max_num_batched_tokens = 512
        properties = {
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
            "ENABLE_CPU_PINNING": False,
        }
        return self._genai.ContinuousBatchingPipeline(str(self._path), scheduler, "CPU", properties)


def cache_gigabytes(path: Path) -> int:
    """For the attention cache: 1 GB and eight times the weights, at most 8 and a quarter of the machine's memory.

    It is taken as it fills, and since prefixes stay cached it does fill: a small model must not take gigabytes for that.
    """
    weights = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(8, memory // 4 // 2**30, 1 + 8 * weights // 2**30))


class Inbox:
    """Messages from a pipe. `open` is false once its other end is closed."""

    def __init__(self, descriptor: int) -> None:
        self.open = True
        self._descriptor, self._data = descriptor, bytearray()
        self._decoder = msgspec.msgpack.Decoder(Message)

    def read(self, wait: bool) -> list[Message]:
        """What has arrived; with `wait`, at least something."""
        while self.open and select.select([self._descriptor], [], [], None if wait and not self._whole() else 0)[0]:
            part = os.read(self._descriptor, 1 << 20)
            self.open = bool(part)
            self._data += part
        messages = []
        while self._whole():
            end = 4 + self._size()
            messages.append(self._decoder.decode(bytes(self._data[4:end])))
            del self._data[:end]
        return messages

    def _size(self) -> int:
        return int.from_bytes(self._data[:4], "little")

    def _whole(self) -> bool:
        return len(self._data) >= 4 and len(self._data) >= 4 + self._size()


def serve(path: Path, caching: bool) -> None:
    """Load `path`, say so with an empty list or with the error, then draw until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's: it cancels, and closes the input
    encoder = msgspec.msgpack.Encoder()
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)  # what a library prints must not break the frames

        def send(pieces: list[Piece]) -> None:
            output.write(frame(encoder.encode(pieces)))
            output.flush()

        try:
            engine = Engine(path, caching)
        except Exception as error:  # noqa: BLE001 - reported to the caller, which raises it
            send([Piece(0, error=str(error))])
            return
        send([])
        inbox = Inbox(0)
        while inbox.open:
            for message in inbox.read(wait=engine.idle):
                engine.take(message)
            pieces = [] if engine.idle else engine.step()
            if pieces:
                send(pieces)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), caching=sys.argv[2:] != ["uncached"])
