"""What a model is made of, as far as cost asks: layers, widths, heads and weights, from a table, a GGUF file or a config.json."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from ponder.errors import InputError


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder's shape.

    `width` is the hidden size, `head` the width of one head; `parameters` are all weights that lie in memory, `active` those that
    a token goes through (None: all); `tied`: the output matrix is the embedding. `experts`: how many each layer has, and how many
    of them a token goes through. `latent`: the elements kept of a token and layer where they are not keys and values (MLA).
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    parameters: int
    active: int | None = None
    tied: bool = False
    experts: tuple[int, int] | None = None
    latent: int | None = None

    @property
    def attention(self) -> int:
        """The width of all heads together, d_attn."""
        return self.heads * self.head

    @property
    def kept(self) -> int:
        """Elements kept of each token for attention, in all layers together."""
        return self.layers * (self.latent or 2 * self.kv_heads * self.head)

    @property
    def logits(self) -> int:
        """The weights of the output matrix."""
        return self.vocabulary * self.width

    @property
    def body(self) -> int:
        """The weights that every token is multiplied by, without the embedding and the output matrix."""
        return (self.active or self.parameters) - (1 if self.tied else 2) * self.logits

    def read(self, batch: float) -> float:
        """The weights that a step reads in which `batch` tokens are computed: all, or those of the experts that they choose.

        Of E experts with k chosen at random by each token, E (1 - (1 - k/E)^batch) are met.
        """
        if self.experts is None or self.active is None:
            return float(self.parameters)
        every, chosen = self.experts
        share = chosen / every
        of_experts = (self.parameters - self.active) / (1 - share)
        unmet: float = (1 - share) ** batch
        return self.parameters - of_experts * unmet


def decoder(
    name: str,
    layers: int,
    width: int,
    heads: int,
    kv_heads: int,
    feed: int,
    vocabulary: int,
    *,
    head: int | None = None,
    tied: bool = False,
    experts: tuple[int, int] | None = None,
    bias: bool = False,
    normed: bool = False,
) -> Architecture:
    """A decoder of the Llama family with its weights counted: attention, gated feed-forward of width `feed`, two norms a layer.

    `bias`: queries, keys and values have one (Qwen2); `normed`: queries and keys are normalised head by head (Qwen3). With
    `experts`, `feed` is one expert's width, and a router chooses.
    """
    head = head or width // heads
    attention = 2 * width * heads * head + 2 * width * kv_heads * head
    small = 2 * width + (heads + 2 * kv_heads) * head * bias + 2 * head * normed
    expert = 3 * width * feed
    every, chosen = experts or (1, 1)
    router = width * every if experts else 0
    ends = (1 if tied else 2) * vocabulary * width + width
    total, active = (layers * (attention + small + router + count * expert) + ends for count in (every, chosen))
    return Architecture(
        name, layers, width, heads, kv_heads, head, vocabulary, total, active if experts else None, tied, experts
    )  # fmt: skip


KNOWN: dict[str, Architecture] = {
    one.name: one
    for one in (
        decoder("llama-2-7b", 32, 4096, 32, 32, 11008, 32000),
        decoder("llama-2-70b", 80, 8192, 64, 8, 28672, 32000),
        decoder("llama-3-8b", 32, 4096, 32, 8, 14336, 128256),
        decoder("llama-3-70b", 80, 8192, 64, 8, 28672, 128256),
        decoder("llama-3-405b", 126, 16384, 128, 8, 53248, 128256),
        decoder("llama-3-1b", 16, 2048, 32, 8, 8192, 128256, tied=True),
        decoder("llama-3-3b", 28, 3072, 24, 8, 8192, 128256, tied=True),
        decoder("mistral-7b", 32, 4096, 32, 8, 14336, 32768),
        decoder("mixtral-8x7b", 32, 4096, 32, 8, 14336, 32000, experts=(8, 2)),
        decoder("qwen2.5-0.5b", 24, 896, 14, 2, 4864, 151936, tied=True, bias=True),
        decoder("qwen2.5-1.5b", 28, 1536, 12, 2, 8960, 151936, tied=True, bias=True),
        decoder("qwen2.5-3b", 36, 2048, 16, 2, 11008, 151936, tied=True, bias=True),
        decoder("qwen2.5-7b", 28, 3584, 28, 4, 18944, 152064, bias=True),
        decoder("qwen2.5-14b", 48, 5120, 40, 8, 13824, 152064, bias=True),
        decoder("qwen2.5-32b", 64, 5120, 40, 8, 27648, 152064, bias=True),
        decoder("qwen2.5-72b", 80, 8192, 64, 8, 29568, 152064, bias=True),
        decoder("qwen3-0.6b", 28, 1024, 16, 8, 3072, 151936, head=128, tied=True, normed=True),
        decoder("qwen3-1.7b", 28, 2048, 16, 8, 6144, 151936, head=128, tied=True, normed=True),
        decoder("qwen3-4b", 36, 2560, 32, 8, 9728, 151936, head=128, tied=True, normed=True),
        decoder("qwen3-8b", 36, 4096, 32, 8, 12288, 151936, head=128, normed=True),
        decoder("qwen3-14b", 40, 5120, 40, 8, 17408, 151936, head=128, normed=True),
        decoder("qwen3-32b", 64, 5120, 64, 8, 25600, 151936, head=128, normed=True),
        decoder("qwen3-30b-a3b", 48, 2048, 32, 4, 768, 151936, head=128, experts=(128, 8), normed=True),
        decoder("qwen3-235b-a22b", 94, 4096, 64, 4, 1536, 151936, head=128, experts=(128, 8), normed=True),
        decoder("smollm2-135m", 30, 576, 9, 3, 1536, 49152, tied=True),
        # Heads of 160: the mean of a query's 192 and a value's 128. 512 + 64 are kept of a token (MLA, arXiv 2412.19437).
        Architecture("deepseek-v3", 61, 7168, 128, 128, 160, 129280, 671_026_419_200, 37_000_000_000, False, (256, 8), 576),
    )
}
"""Shapes as the models' config.json give them; the counted weights are those that the models' cards state (tested)."""

_SAME = {
    r"llama-3\.1-(8b|70b|405b)": r"llama-3-\1",
    r"llama-3\.2-(1b|3b)": r"llama-3-\1",
    r"llama-3\.3-70b": "llama-3-70b",
    r"deepseek-r1-distill-llama-(8b|70b)": r"llama-3-\1",
    r"deepseek-r1-distill-qwen-(1\.5b|7b|14b|32b)": r"qwen2.5-\1",
    r"qwen2\.5-(?:math|coder)-([\d.]+b)": r"qwen2.5-\1",
    r"qwq-32b": "qwen2.5-32b",
    r"deepseek-(?:r1|v3\.1|v3-0324|r1-0528)": "deepseek-v3",
    r"mistral-7b-v0\.3": "mistral-7b",
}
_WORDS = r"-(instruct|chat|hf|it|base|fp8|awq|gptq|int8|int4|preview|turbo|versatile|instant|v0\.[123])(?=-|$)"


@lru_cache(256)
def find(name: str) -> Architecture | None:
    """The architecture of a model by its usual name, such as `meta-llama/Llama-3.1-8B-Instruct`; None for one not in the table."""
    plain = name.lower().rpartition("/")[2].removeprefix("meta-").replace(":", "-")
    plain = re.sub(_WORDS, "", plain)
    for pattern, same in _SAME.items():
        plain = re.sub(f"^{pattern}$", same, plain)
    return KNOWN.get(plain)


def named(name: str) -> Architecture:
    """The architecture that a user names: in the table, or a GGUF file, config.json or folder with one. Raises `InputError`."""
    if (known := find(name)) is not None:
        return known
    path = Path(name).expanduser()
    if path.exists():
        return read(path)
    raise InputError(
        f"the shape of the model `{name}` is not known; name one of {', '.join(sorted(KNOWN))}, or a GGUF file or a config.json"
    )


def read(path: Path) -> Architecture:
    """From a GGUF file, whose tensors are counted, or a config.json (or its folder) of the Llama family.

    Raises `InputError` for a file that says too little.
    """
    if path.is_dir():
        path = path / "config.json"
    try:
        return _gguf(path) if path.suffix == ".gguf" else _config(path)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"the architecture cannot be read from {path}: {error!r}; give a GGUF file or a config.json") from error


def _config(path: Path) -> Architecture:
    said = json.loads(path.read_text())
    if "kv_lora_rank" in said:
        raise InputError(f"{path} describes latent attention, whose weights are not counted here; name deepseek-v3 if it is that")
    every = said.get("num_experts") or said.get("num_local_experts")
    kind = said.get("model_type", "")
    return decoder(
        path.resolve().parent.name,
        said["num_hidden_layers"],
        said["hidden_size"],
        said["num_attention_heads"],
        said.get("num_key_value_heads") or said["num_attention_heads"],
        (every and said.get("moe_intermediate_size")) or said["intermediate_size"],
        said["vocab_size"],
        head=said.get("head_dim"),
        tied=said.get("tie_word_embeddings", False),
        experts=(every, said["num_experts_per_tok"]) if every else None,
        bias=said.get("attention_bias", False) or kind == "qwen2",
        normed=kind.startswith("qwen3"),
    )


def _gguf(path: Path) -> Architecture:
    from gguf import GGUFReader

    return of_gguf(GGUFReader(path), path.stem)


def of_gguf(reader: Any, name: str) -> Architecture:
    """What an open GGUF file says; its tensors are counted, not read. Raises `InputError` where it says too little."""

    def value(key: str) -> Any:
        field = reader.get_field(key if "." in key else f"{kind}.{key}")
        return None if field is None else field.contents()

    kind = value("general.architecture")
    sizes = {one.name: prod(int(size) for size in one.shape) for one in reader.tensors}
    layers, width = value("block_count"), value("embedding_length")
    heads, kv_heads, head = (value(f"{kind}.attention.{key}") for key in ("head_count", "head_count_kv", "key_length"))
    embedding = sizes.get("token_embd.weight")
    if not (layers and width and heads and embedding):
        raise InputError(f"the GGUF file {name} does not say its layers, width, heads and embedding; name a known model instead")
    every, chosen = value("expert_count"), value("expert_used_count")
    of_experts = sum(size for tensor, size in sizes.items() if "_exps" in tensor)
    total = sum(sizes.values())
    return Architecture(
        name, layers, width, heads, kv_heads or heads, head or width // heads, embedding // width, total,
        total - of_experts + of_experts * chosen // every if every else None,
        "output.weight" not in sizes, (every, chosen) if every else None,
    )  # fmt: skip
