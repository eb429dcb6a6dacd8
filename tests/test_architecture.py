"""Shapes: the counted weights are those that the models' cards state, and files say the same as the table."""

import json
from pathlib import Path

import pytest

import ponder
from ponder.cost import architecture
from ponder.cost.architecture import KNOWN, find, named, read
from ponder.errors import InputError

# As counted from the published checkpoints.
CARDS = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3-405b": 405_853_388_800,
    "llama-3-1b": 1_235_814_400,
    "llama-3-3b": 3_212_749_824,
    "mistral-7b": 7_248_023_552,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-8b": 8_190_735_360,
    "qwen3-30b-a3b": 30_532_122_624,
    "smollm2-135m": 134_515_008,
}


@pytest.mark.parametrize("name", CARDS)
def test_the_counted_weights_are_the_published_ones(name):
    assert KNOWN[name].parameters == CARDS[name]


def test_of_a_mixture_a_token_goes_through_its_experts():
    mixtral, qwen = KNOWN["mixtral-8x7b"], KNOWN["qwen3-30b-a3b"]
    assert mixtral.active == pytest.approx(12.9e9, rel=0.01)
    assert qwen.active == pytest.approx(3.3e9, rel=0.02)
    assert mixtral.read(1) == pytest.approx(mixtral.active)
    assert mixtral.read(1) < mixtral.read(4) < mixtral.read(64)
    assert mixtral.read(1000) == pytest.approx(mixtral.parameters)
    assert KNOWN["llama-3-8b"].read(1) == KNOWN["llama-3-8b"].parameters


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3-8b"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "llama-3-70b"),
        ("llama-3.3-70b-versatile", "llama-3-70b"),
        ("Qwen/Qwen2.5-Math-7B-Instruct", "qwen2.5-7b"),
        ("qwen2.5:0.5b", "qwen2.5-0.5b"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2.5-7b"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-v3"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m"),
    ],
)
def test_usual_names_are_known(name, shape):
    assert find(name) is KNOWN[shape]


def test_what_is_not_known_is_none_and_a_user_is_told_what_to_name():
    assert find("gpt-4o") is None
    with pytest.raises(InputError, match="`gpt-4o` is not known; name one of"):
        named("gpt-4o")


def test_a_gguf_file_says_its_shape():
    shape = read(Path(ponder.__file__).parent / "models" / "mini.gguf")
    assert (shape.layers, shape.width, shape.heads, shape.kv_heads, shape.head, shape.vocabulary) == (4, 256, 4, 2, 64, 260)
    assert shape.parameters == 2_919_680
    assert shape.tied


def test_a_configuration_says_the_same_as_the_table(tmp_path):
    said = {
        "model_type": "qwen2", "num_hidden_layers": 28, "hidden_size": 3584, "num_attention_heads": 28,
        "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064, "tie_word_embeddings": False,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(said))
    found = named(str(tmp_path))
    assert (found.parameters, found.kept, found.body) == (
        KNOWN["qwen2.5-7b"].parameters, KNOWN["qwen2.5-7b"].kept, KNOWN["qwen2.5-7b"].body,
    )  # fmt: skip
    del said["num_hidden_layers"]
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="num_hidden_layers"):
        architecture.read(tmp_path)
