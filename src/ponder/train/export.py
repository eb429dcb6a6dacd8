"""Export a Llama trained here as GGUF, for every engine: OpenVINO GenAI, llama.cpp and transformers.

The tokenizer is byte-level: 3 specials, the 256 bytes, and one merge. Every byte must be there, and so must one real merge:
OpenVINO builds its tokenizer from the file and cannot encode without (`unordered_map::at`).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.train.data import BOS, EOS, PAD

CHAT_TEMPLATE = (
    "{% set said = messages[-1]['content'] %}"
    "{% if messages[-1]['role'] == 'user' %}{% set said = said.split('\\n')[-1] %}{% endif %}"
    "{{ bos_token + said + '\\n' }}"
)
"""The model knows no roles: it reads the last line that the user says, and answers below. (An engine may put the system message
before the user's first words when a template names no system role, so the last message would not do.)"""

_OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
_INSIDE = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def byte_names() -> list[str]:
    """GPT-2's printable name of each byte, in the order of the bytes (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in printable else next(hidden)) for byte in range(256)]


def interleave(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a query or key projection reordered from rotated halves (transformers) to rotated pairs (GGUF's llama)."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(model: Any) -> dict[str, NDArray[Any]]:
    """A LlamaForCausalLM's weights under their GGUF names: matrices in float16, vectors in float32; tied output left out."""
    found: dict[str, NDArray[Any]] = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        weight = tensor.float().numpy()
        if name in _OUTSIDE:
            target = _OUTSIDE[name]
        else:
            _, _, layer, inside = name.removesuffix(".weight").split(".", 3)
            target = f"blk.{layer}.{_INSIDE[inside]}.weight"
            if inside == "self_attn.q_proj":
                weight = interleave(weight, model.config.num_attention_heads)
            elif inside == "self_attn.k_proj":
                weight = interleave(weight, model.config.num_key_value_heads)
        found[target] = weight if weight.ndim == 1 else weight.astype(np.float16)
    return found


def export(model: Any, name: str, path: Path) -> None:
    """Write `model` (a LlamaForCausalLM over this project's byte-level vocabulary) to `path`, in one go or not at all."""
    from gguf import GGUFWriter, LlamaFileType, TokenType

    config, draft = model.config, path.with_suffix(".part")
    head = config.hidden_size // config.num_attention_heads
    writer = GGUFWriter(draft, "llama")
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["<pad>", "<s>", "</s>", *byte_names(), "ĠĠ"])
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * 257)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_pad_token_id(PAD)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHAT_TEMPLATE)
    for target, weight in tensors(model).items():
        writer.add_tensor(target, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(path)
