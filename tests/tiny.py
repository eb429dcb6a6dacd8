"""A random Llama over bytes, small enough for a test: 32 wide, 2 layers."""

from typing import Any

from ponder.train.data import BOS, EOS, PAD, VOCABULARY


def llama(seed: int = 0, **changed: Any) -> Any:
    """The model of a seed; `changed` are fields of its configuration."""
    import torch
    import transformers

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=128,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            **changed,
        )
    )
