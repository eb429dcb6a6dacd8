"""What attention keeps, against published figures."""

import pytest

from ponder.cost import kv
from ponder.cost.architecture import KNOWN


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("llama-3-8b", 131_072),
        ("llama-3-70b", 327_680),
        ("llama-2-7b", 524_288),
        ("qwen2.5-7b", 57_344),
        ("qwen2.5-0.5b", 12_288),
        ("deepseek-v3", 70_272),
    ],
)
def test_bytes_of_a_token_in_16_bits(name, size):
    assert kv.per_token(KNOWN[name]) == size


def test_a_shared_prompt_is_kept_once():
    model = KNOWN["llama-3-8b"]
    assert kv.streams(model, 131_072 * 10_000, 1000) == 10
    assert kv.streams(model, 131_072 * 10_000, 1000, shared=500) == 19
    assert kv.streams(model, -1.0, 1000) == 0
