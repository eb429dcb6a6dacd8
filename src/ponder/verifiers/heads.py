"""Reward models from Hugging Face checkpoints, run in this process: a language model's hidden states and a small head on them.

Each published format says how a solution is written, at which tokens it is read, and where the head's weights are. A value head is
linear layers; two tokens of a language model, good and bad, are two rows of its output matrix. So one pass values all steps, and no
code that comes with a checkpoint is run.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import isfinite
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ponder.errors import InputError, MissingExtra, ModelError
from ponder.types import Abilities, Chunk, Message, Price, Request, Usage
from ponder.verifiers.reward import parted

GOOD, BAD = "+", "-"
BATCH = 8  # solutions in one pass

Read = tuple[list[int], list[int]]
"""The token ids of a solution, and the places at which it is read."""


def qwen(tokenizer: Any, question: Sequence[Message], steps: Sequence[str]) -> Read:
    """Qwen2.5-Math-PRM: `<extra_0>` behind each step of the assistant's message, read there."""
    mark = "<extra_0>"
    said = "".join(step.replace(mark, "").strip() + mark for step in steps)
    ids = _ids(tokenizer, [*question, Message("assistant", said)])
    return ids, [place for place, token in enumerate(ids) if token == tokenizer.convert_tokens_to_ids(mark)]


def skywork(tokenizer: Any, question: Sequence[Message], steps: Sequence[str]) -> Read:
    """Skywork-o1-Open-PRM: the question, then the steps, each with a line end, which is where it is read."""
    encode = partial(tokenizer.encode, add_special_tokens=False)
    ids, places = encode((tokenizer.bos_token or "") + question[-1].content + "\n"), []
    for step in steps:
        ids += [*encode(step.strip()), encode("\n")[-1]]
        places.append(len(ids) - 1)
    return ids, places


def rlhflow(tokenizer: Any, question: Sequence[Message], steps: Sequence[str]) -> Read:
    """RLHFlow: the user tells a step a turn, the assistant says the good token to each; read before it is said."""
    told = [f"{question[-1].content} {steps[0].strip()}", *(step.strip() for step in steps[1:])]
    turns = [message for step in told for message in (Message("user", step), Message("assistant", GOOD))]
    ids = _ids(tokenizer, turns)
    begun = [_ids(tokenizer, turns[:count], opened=True) for count in range(1, len(turns), 2)]
    if any(ids[: len(one)] != one for one in begun):
        raise InputError("the chat template rewrites earlier turns, so that no step can be read; take another format")
    return ids, [len(one) - 1 for one in begun]


def shepherd(tokenizer: Any, question: Sequence[Message], steps: Sequence[str]) -> Read:
    """Math-Shepherd: question and steps as plain text, the tag behind each step, read there."""
    tag = "ки"
    ids = tokenizer.encode(f"{question[-1].content} " + "\n".join(f"{step.strip()} {tag}" for step in steps))
    return ids, [place for place, token in enumerate(ids) if token == tokenizer.encode(tag)[-1]]


def outcome(tokenizer: Any, question: Sequence[Message], steps: Sequence[str]) -> Read:
    """A sequence classifier: the conversation with the solution as its last message, read at its last token."""
    ids = _ids(tokenizer, [*question, Message("assistant", "".join(steps))])
    return ids, [len(ids) - 1]


FORMATS: dict[str, Callable[[Any, Sequence[Message], Sequence[str]], Read]] = {
    "qwen": qwen,
    "skywork": skywork,
    "rlhflow": rlhflow,
    "shepherd": shepherd,
    "outcome": outcome,
}


class Heads:
    """The reward model in the checkpoint `path`, a folder with safetensors; `verifiers.reward.Reward` asks it. A `types.Model`.

    Without a `format` (`FORMATS`) the weights tell: a value head is Skywork's, one of several layers Qwen's, a single one that of
    an outcome model; a language model with a chat template is RLHFlow's, without one Math-Shepherd's. A value is the sigmoid of one
    output, or the softmax of two for the good one, the last. What arrives while a pass runs shares the next, `BATCH` at most.

    Loaded when it is made, on the CPU, in the checkpoint's precision; passes run in a thread. Raises MissingExtra without torch,
    InputError for a folder that holds no such model.
    """

    def __init__(self, path: Path | str, *, format: str | None = None, price: Price | None = None) -> None:  # noqa: A002 - the user's word
        self._path = Path(path).expanduser().resolve()
        files = sorted(self._path.glob("*.safetensors"))
        if not files or not (self._path / "config.json").is_file():
            raise InputError(f"`{path}` is no folder with a config.json and safetensors; download the checkpoint whole")
        self._tokenizer, self._backbone = _loaded(self._path)
        stored = dict(_stored(files))
        self.format = format or _guess(stored, self._tokenizer)
        if self.format not in FORMATS:
            raise InputError(f"there is no format {self.format!r} of reward models; take one of {', '.join(FORMATS)}")
        self._layers = _layers(self.format, stored, self._tokenizer, self._backbone)
        self.name = f"{self.format}:{path}"
        self.fingerprint = f"{self.format}:{_digest(files)}"
        self.price, self.concurrency, self.abilities = price, 8 * BATCH, Abilities()
        self.parameters: int = sum(one.numel() for one in self._backbone.parameters())
        self._read = lru_cache(maxsize=256)(self._written)
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()

    def prompt_tokens(self, request: Request) -> int:
        """The solution's length in its format: exact."""
        return len(self._read(request)[0])

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """One chunk, the JSON that `Reward` reads. Raises ModelError for a solution that cannot be read step by step."""
        ids, places = read = self._read(request)
        steps = 1 if self.format == "outcome" else len(parted(request)[1])
        limit = getattr(self._backbone.config, "max_position_embeddings", None) or len(ids)
        if len(places) != steps:
            raise ModelError(f"`{self.name}` finds {len(places)} ends in {steps} steps: the solution holds the format's own mark")
        if len(ids) > limit:
            raise ModelError(f"`{self.name}` reads {limit} tokens, and the solution has {len(ids)}; shorten it by --max-tokens")
        queue = self._queues.setdefault(asyncio.get_running_loop(), _Queue())
        try:
            values = await queue.run(read, self._forward)
        except RuntimeError as error:  # torch's: most often, that there is no memory
            raise ModelError(f"`{self.name}` cannot read {len(ids)} tokens: {error}") from error
        if not all(map(isfinite, values)):
            raise ModelError(f"`{self.name}` gives {values}: are its weights whole?")
        said = json.dumps(values[0] if self.format == "outcome" else values)
        yield Chunk(said, finish_reason="stop", usage=Usage(1, len(ids)))

    async def close(self) -> None:
        pass

    def _written(self, request: Request) -> Read:
        return FORMATS[self.format](self._tokenizer, *parted(request))

    def _forward(self, batch: Sequence[Read]) -> list[list[float]]:
        """The values at the places of each solution, in one pass. Padding stands behind, where no earlier token sees it."""
        import torch

        width = max(len(ids) for ids, _ in batch)
        padded = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch])
        with torch.inference_mode():
            states = self._backbone(input_ids=padded, attention_mask=mask, use_cache=False).last_hidden_state
            return [self._value(states[row, places].float()) for row, (_, places) in enumerate(batch)]

    def _value(self, states: Any) -> list[float]:
        """(places, hidden) to a probability each."""
        for position, (weight, bias) in enumerate(self._layers):
            states = (states.relu() if position else states) @ weight.T + bias
        chance = states.sigmoid() if states.shape[-1] == 1 else states.softmax(dim=-1)
        return [float(value) for value in chance[:, -1]]


@dataclass(slots=True)
class _Queue:
    """What waits in one event loop. Whoever comes first takes what waits with it through the next pass."""

    waiting: list[tuple[Read, asyncio.Future[list[float]]]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, read: Read, forward: Callable[[Sequence[Read]], list[list[float]]]) -> list[float]:
        answer: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self.waiting.append((read, answer))
        try:
            async with self.lock:
                while not answer.done():
                    batch = self.waiting[:BATCH]
                    values = await asyncio.to_thread(forward, [one for one, _ in batch])
                    for (_, waits), value in zip(batch, values, strict=True):
                        if not waits.done():
                            waits.set_result(value)
                    self._tidy()
            return answer.result()
        finally:
            answer.cancel()
            self._tidy()

    def _tidy(self) -> None:
        self.waiting = [one for one in self.waiting if not one[1].done()]


def _loaded(path: Path) -> tuple[Any, Any]:
    """The tokenizer, and the model without its head, all of whose weights must be there."""
    try:
        import torch  # noqa: F401 - transformers can be imported without it
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise MissingExtra("torch", "train") from None
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(path)
            backbone, told = AutoModel.from_pretrained(path, dtype="auto", output_loading_info=True)
    except (OSError, ValueError) as error:
        raise InputError(f"transformers cannot load the reward model in `{path}`: {error}") from error
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:3])
        raise InputError(f"the reward model in `{path}` lacks {missing}, …: it is not of the architecture that config.json names")
    return tokenizer, backbone.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bar, and its report of the head's weights, which are read apart."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _ids(tokenizer: Any, messages: Sequence[Message], opened: bool = False) -> list[int]:
    """A conversation's token ids by the chat template, or without one a message a line; `opened`: the assistant is to speak."""
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        return list(tokenizer.encode("\n".join(message.content for message in messages)))
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opened)
    except TemplateError as error:
        raise InputError(f"the chat template of the reward model refuses the conversation: {error}") from error
    return list(tokenizer.encode(text, add_special_tokens=False))


def _stored(files: Sequence[Path]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The checkpoint's tensors by name, each to be read when it is called for."""
    from safetensors import safe_open

    for file in files:
        tensors = safe_open(file, "pt")
        for name in tensors.keys():  # noqa: SIM118 - no mapping
            yield name, partial(tensors.get_tensor, name)


def _guess(stored: dict[str, Callable[[], Any]], tokenizer: Any) -> str:
    if any(name.startswith("v_head.") for name in stored):
        return "skywork"
    heads = [name for name in stored if name.startswith("score.")]
    if heads:
        return "outcome" if "score.weight" in heads else "qwen"
    return "shepherd" if tokenizer.chat_template is None else "rlhflow"


def _layers(format_: str, stored: dict[str, Callable[[], Any]], tokenizer: Any, backbone: Any) -> list[tuple[Any, Any]]:
    """The head's layers in order, each a weight (outputs, inputs) and a bias, 0 where there is none."""
    if format_ in ("rlhflow", "shepherd"):
        matrix = stored["lm_head.weight"]() if "lm_head.weight" in stored else backbone.get_input_embeddings().weight
        good, bad = tokenizer.encode(f"{GOOD} {BAD}")[-2:] if format_ == "shepherd" else _marks(tokenizer)
        return [(matrix[[bad, good]].detach().float(), 0.0)]
    prefix = "v_head." if format_ == "skywork" else "score."
    weights = sorted(name for name in stored if name.startswith(prefix) and name.endswith("weight"))
    if not weights:
        raise InputError(f"the checkpoint has no weights `{prefix}…`, which the format `{format_}` reads; name another format")
    biases = [stored.get(name.removesuffix("weight") + "bias") for name in weights]
    return [(stored[name]().float(), bias().float() if bias else 0.0) for name, bias in zip(weights, biases, strict=True)]


def _marks(tokenizer: Any) -> tuple[int, int]:
    return tokenizer.encode(GOOD)[-1], tokenizer.encode(BAD)[-1]


def _digest(files: Sequence[Path]) -> str:
    """Of the weights' names, sizes and times: reading them all would take longer than loading them."""
    seen = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
