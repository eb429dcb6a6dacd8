"""Reward heads against the arithmetic of their model cards, done by hand with the whole model, on tiny random checkpoints."""

import asyncio
import sys

import pytest

from ponder.errors import InputError, MissingExtra
from ponder.models.simulated import Simulated
from ponder.solve import solve
from ponder.tasks.simulated import problems
from ponder.types import Sample
from ponder.verifiers.heads import BATCH, Heads
from ponder.verifiers.reward import Reward, judging

torch = pytest.importorskip("torch", reason='reward heads need torch: pip install "ponder[train]"')
transformers = pytest.importorskip("transformers", reason='reward heads need transformers: pip install "ponder[train]"')

[PROBLEM] = problems(1)
STEPS = ["step 1 goes well", "step 2 does not", "answer 42"]
SOLUTION = Sample("\n".join(STEPS))
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "vocab_size": 280,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}


def tokenizer(template=CHATML):
    """Every byte is a token; the marks of all formats are tokens of their own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True) for mark in ("<|im_start|>", "<|im_end|>", "<extra_0>", "<s>")])
    made.add_tokens([AddedToken("ки", normalized=False), AddedToken(" +"), AddedToken(" -")])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="<|im_end|>", chat_template=template
    )


def checkpoint(folder, model, extra=(), drop=(), template=CHATML):
    """A folder with the model's weights, those of a head beside them, and a tokenizer."""
    from safetensors.torch import save_file

    tensors = {name: one.detach().clone() for name, one in model.state_dict().items() if name not in drop}
    model.config.save_pretrained(folder)
    save_file(tensors | dict(extra), folder / "model.safetensors", metadata={"format": "pt"})
    made = tokenizer(template)
    made.save_pretrained(folder)
    return made


def random(name, seed=0, **more):
    torch.manual_seed(seed)
    config = getattr(transformers, f"{name.removesuffix('ForCausalLM').removesuffix('ForSequenceClassification')}Config")
    return getattr(transformers, name)(config(**SIZES, **more)).eval()


def valued(folder, *samples, **settings):
    model = Heads(folder, **settings)
    return asyncio.run(Reward(model)(PROBLEM, samples or (SOLUTION,))), model


def states(model, ids):
    """The hidden states of one text, alone and unpadded."""
    with torch.no_grad():
        return model(torch.tensor([ids]), output_hidden_states=True)


def test_qwen_is_the_softmax_of_two_classes_at_every_separator(tmp_path):
    model, first, second = random("Qwen2ForCausalLM"), torch.nn.Linear(32, 32), torch.nn.Linear(32, 2)
    head = {
        "score.0.weight": first.weight,
        "score.0.bias": first.bias,
        "score.2.weight": second.weight,
        "score.2.bias": second.bias,
    }
    made = checkpoint(tmp_path, model, {name: one.detach() for name, one in head.items()}, drop=["lm_head.weight"])

    text = f"<|im_start|>user\n{PROBLEM.question}<|im_end|>\n<|im_start|>assistant\n{'<extra_0>'.join(STEPS)}<extra_0><|im_end|>\n"
    ids = made.encode(text)
    logits = second(torch.relu(first(states(model, ids).hidden_states[-1][0])))
    [mark] = made.encode("<extra_0>")
    expected = [logits[place].softmax(-1)[1].item() for place, token in enumerate(ids) if token == mark]

    [score], used = valued(tmp_path)
    assert (used.format, len(expected)) == ("qwen", 3)
    assert score.steps == pytest.approx(expected, abs=1e-5)
    assert score.value == score.steps[-1]
    assert used.prompt_tokens(judging(PROBLEM, SOLUTION)) == len(ids)


def test_skywork_is_the_sigmoid_of_the_value_head_at_every_line_end(tmp_path):
    model, head = random("Qwen2ForCausalLM"), torch.nn.Linear(32, 1)
    extra = {"v_head.summary.weight": head.weight.detach(), "v_head.summary.bias": head.bias.detach()}
    made = checkpoint(tmp_path, model, extra)

    ids = made.encode(f"<s>{PROBLEM.question}\n" + "".join(f"{step}\n" for step in STEPS))
    values = torch.sigmoid(head(states(model, ids).hidden_states[-1][0]))[:, 0]
    ends = [place for place, token in enumerate(ids) if token == made.encode("\n")[0]][1:]

    [score], used = valued(tmp_path)
    assert used.format == "skywork"
    assert score.steps == pytest.approx([values[place].item() for place in ends], abs=1e-5)


def test_rlhflow_is_plus_against_minus_before_each_answer_of_the_assistant(tmp_path):
    model = random("LlamaForCausalLM")
    made = checkpoint(tmp_path, model)

    expected = []
    for count in range(1, 4):
        told = [f"{PROBLEM.question} {STEPS[0]}", *STEPS[1:]][:count]
        text = "".join(f"<|im_start|>user\n{step}<|im_end|>\n<|im_start|>assistant\n+<|im_end|>\n" for step in told)
        logits = states(model, made.encode(text)).logits[0]
        choice = logits[-4, [made.encode("+")[-1], made.encode("-")[-1]]]  # `+`, the end of turn and the line end follow
        expected.append(choice.softmax(-1)[0].item())

    [score], used = valued(tmp_path)
    assert used.format == "rlhflow"
    assert score.steps == pytest.approx(expected, abs=1e-5)


def test_shepherd_is_plus_against_minus_at_every_tag(tmp_path):
    model = random("MistralForCausalLM")
    made = checkpoint(tmp_path, model, template=None)

    ids = made.encode(f"{PROBLEM.question} " + "\n".join(f"{step} ки" for step in STEPS))
    logits = states(model, ids).logits[0]
    candidates, tag = made.encode("+ -")[-2:], made.encode("ки")[-1]
    expected = [logits[place, candidates].softmax(-1)[0].item() for place, token in enumerate(ids) if token == tag]

    [score], used = valued(tmp_path)
    assert (used.format, len(expected)) == ("shepherd", 3)
    assert score.steps == pytest.approx(expected, abs=1e-5)


def test_tied_embeddings_are_the_output_matrix(tmp_path):
    model = random("LlamaForCausalLM", tie_word_embeddings=True)
    checkpoint(tmp_path / "tied", model, drop=["lm_head.weight"])
    checkpoint(tmp_path / "apart", model)
    [tied], [apart] = valued(tmp_path / "tied")[0], valued(tmp_path / "apart")[0]
    assert tied.steps == pytest.approx(apart.steps)


@pytest.mark.parametrize("labels", [1, 2])
def test_an_outcome_model_is_a_sequence_classifier(tmp_path, labels):
    model = random("Qwen2ForSequenceClassification", num_labels=labels)
    made = checkpoint(tmp_path, model)
    text = f"<|im_start|>user\n{PROBLEM.question}<|im_end|>\n<|im_start|>assistant\n{SOLUTION.text}<|im_end|>\n"
    [logits] = states(model, made.encode(text)).logits
    expected = logits.sigmoid() if labels == 1 else logits.softmax(-1)

    [score], used = valued(tmp_path)
    assert (used.format, score.steps) == ("outcome", ())
    assert score.value == pytest.approx(expected[-1].item(), abs=1e-5)


def test_a_batch_gives_what_each_solution_gives_alone(tmp_path):
    """Solutions of different lengths share a pass; its padding changes nothing."""
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    samples = [Sample("\n".join(f"line {number}" for number in range(count))) for count in range(1, BATCH + 4)]
    together_, model = valued(tmp_path, *samples)
    passes, forward = [], model._forward
    model._forward = lambda batch: passes.append(len(batch)) or forward(batch)
    for sample, score in zip(samples, together_, strict=True):
        [alone] = asyncio.run(Reward(model)(PROBLEM, [sample]))
        assert alone.steps == pytest.approx(score.steps, abs=1e-5)
    assert passes == [1] * len(samples)
    asyncio.run(Reward(model)(PROBLEM, samples))
    assert sum(passes[len(samples) :]) == len(samples)
    assert len(passes) <= len(samples) + 4
    assert max(passes) == BATCH


def test_a_cancelled_solution_leaves_the_others_their_values(tmp_path):
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    model = Heads(tmp_path)
    expected = asyncio.run(Reward(model)(PROBLEM, [SOLUTION]))

    async def main():
        others = [asyncio.create_task(Reward(model)(PROBLEM, [Sample(text)])) for text in ("first", "second")]
        kept = asyncio.create_task(Reward(model)(PROBLEM, [SOLUTION]))
        await asyncio.sleep(0.003)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return await kept

    assert asyncio.run(main())[0].steps == pytest.approx(expected[0].steps, abs=1e-5)


def test_it_chooses_in_a_solve_and_its_tokens_are_counted(tmp_path):
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    model = Heads(tmp_path)
    answer = asyncio.run(solve(PROBLEM, model=Simulated(), strategy="best-of-n", verifier=Reward(model), n=3))
    counted = [model.prompt_tokens(judging(PROBLEM, one.sample)) for one in answer.candidates]
    assert answer.usage["verifier"].prompt == sum(counted) > 0
    assert answer.text == max(answer.candidates, key=lambda one: one.value).sample.text


def test_what_cannot_be_read_is_unknown_and_says_why(tmp_path):
    checkpoint(tmp_path, random("MistralForCausalLM"), template=None)
    tagged, long = valued(tmp_path, Sample("one ки two\nthree"), Sample("a very long line " * 40))[0]
    assert (tagged.value, long.value) == (None, None)
    assert "finds 3 ends in 2 steps" in tagged.error
    assert "reads 512 tokens" in long.error


def test_weights_that_are_not_finite_give_no_score(tmp_path):
    head = {"v_head.summary.weight": torch.full((1, 32), float("nan")), "v_head.summary.bias": torch.zeros(1)}
    checkpoint(tmp_path, random("Qwen2ForCausalLM"), head)
    [score], _ = valued(tmp_path)
    assert score.value is None
    assert "are its weights whole" in score.error


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    """transformers itself would make them up at random."""
    model = random("LlamaForCausalLM")
    checkpoint(tmp_path, model, drop=["model.layers.1.mlp.up_proj.weight"])
    with pytest.raises(InputError, match=r"lacks .*layers\.1\.mlp\.up_proj\.weight"):
        Heads(tmp_path)


def test_without_torch_the_error_names_the_extra(tmp_path, monkeypatch):
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"ponder\[train\]"):
        Heads(tmp_path)


def test_loading_says_nothing(tmp_path, capfd):
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    capfd.readouterr()
    Heads(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_wrong_folder_or_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no folder with a config\.json and safetensors"):
        Heads(tmp_path)
    checkpoint(tmp_path, random("LlamaForCausalLM"))
    with pytest.raises(InputError, match="take one of qwen, skywork, rlhflow, shepherd, outcome"):
        Heads(tmp_path, format="gpt")
    with pytest.raises(InputError, match="has no weights `v_head"):
        Heads(tmp_path, format="skywork")
