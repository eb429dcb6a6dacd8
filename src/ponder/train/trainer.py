"""Reinforcement learning of real models by TRL's trainers, its variants as named presets: `ponder train grpo MODEL FOLDER`.

The prompts, the rewards and the monitors are ponder's (`sets.prompts`, `rewards`, `monitor`), everything else is TRL's: rollouts by
vLLM on a GPU, LoRA by peft, many GPUs by `accelerate launch`. A dry run takes two steps on a tiny random model of Qwen2.5's
architecture, on a CPU.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ponder.errors import InputError, MissingExtra
from ponder.tasks import get
from ponder.train.monitor import Signs, Watch, signs
from ponder.train.rewards import Amounts, Reward, accuracy, summed, text_of
from ponder.train.sets import prompts

log = logging.getLogger(__name__)

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, as Qwen2.5 writes it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Which of TRL's trainers, and the settings that make it the published method; `lacks` says what of the method TRL does not
    do."""

    trainer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    lacks: str = ""


PRESETS = {
    "grpo": Preset("GRPO", {"loss_type": "grpo", "scale_rewards": "group", "beta": 0.04, "epsilon": 0.2}),
    "dr-grpo": Preset("GRPO", {"loss_type": "dr_grpo", "scale_rewards": "none", "beta": 0.0, "epsilon": 0.2}),
    "dapo": Preset(
        "GRPO",
        {
            "loss_type": "dapo",
            "scale_rewards": "group",
            "beta": 0.0,
            "epsilon": 0.2,
            "epsilon_high": 0.28,
            "mask_truncated_completions": True,
        },
        "dynamic sampling: groups of equal rewards teach nothing but are not drawn again; filter the prompts by `sets.teachable`",
    ),
    "rloo": Preset("RLOO", {"beta": 0.0, "epsilon": 0.2}),
    "reinforce++": Preset(
        "GRPO",
        {"loss_type": "bnpo", "scale_rewards": "batch", "beta": 0.0, "epsilon": 0.2},
        "the form without groups: this is REINFORCE++-baseline",
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What to train on, and how much: `prompts` a step, `samples` of each, answers of at most `tokens`."""

    tasks: tuple[str, ...] = ("countdown-4",)
    steps: int = 200
    prompts: int = 8
    samples: int = 8
    tokens: int = 512
    rate: float = 1e-6
    temperature: float = 1.0
    seed: int = 1
    lora: int | None = None
    vllm: bool = False
    cpu: bool = False


def preset(name: str) -> Preset:
    """The preset called `name`; raises InputError if there is none."""
    if name not in PRESETS:
        raise InputError(f"there is no preset `{name}`; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]


def settings(chosen: Preset, run: Run, folder: Path) -> dict[str, Any]:
    """The arguments of TRL's configuration."""
    return {
        "output_dir": str(folder),
        "max_steps": run.steps,
        "per_device_train_batch_size": run.prompts * run.samples,
        "num_generations": run.samples,
        "max_completion_length": run.tokens,
        "learning_rate": run.rate,
        "temperature": run.temperature,
        "seed": run.seed,
        "use_vllm": run.vllm,
        "use_cpu": run.cpu,
        "bf16": not run.cpu,
        "logging_steps": 1,
        "disable_tqdm": True,
        "save_steps": max(1, min(50, run.steps)),
        "report_to": [],
        **chosen.settings,
    }


def trainer(
    model: Any,
    tokenizer: Any,
    chosen: Preset,
    run: Run,
    folder: Path,
    rewards: Mapping[str, tuple[Reward, float]],
    watch: Watch | None = None,
) -> Any:
    """TRL's trainer, ready to `train()`: prompts of the tasks' training splits, `rewards` by name, each with its weight.

    `watch` looks at every step, as it does in `grpo.learn`: its signs stand in the log, and `train()` raises RewardHacked, behind a
    checkpoint, when it says stop.
    """
    try:
        import trl
        from datasets import Dataset
        from peft import LoraConfig
    except ImportError as error:
        raise MissingExtra(error.name or "trl", "train") from error
    config = getattr(trl, f"{chosen.trainer}Config")(
        **settings(chosen, run, folder), reward_weights=[weight for _, weight in rewards.values()]
    )
    each = -(-run.steps * run.prompts // len(run.tasks))
    rows = prompts(problem for name in run.tasks for problem in get(name).load("train", each))
    return getattr(trl, f"{chosen.trainer}Trainer")(
        model=model,
        args=config,
        processing_class=tokenizer,
        reward_funcs=_watched(rewards, watch or Watch(), tokenizer.eos_token_id),
        callbacks=[_stopping(watch or Watch())],
        train_dataset=Dataset.from_list(rows).shuffle(seed=run.seed),
        peft_config=None if run.lora is None else LoraConfig(r=run.lora, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def _watched(rewards: Mapping[str, tuple[Reward, float]], watch: Watch, end: int) -> list[Reward]:
    """The rewards under the names that TRL's log shows; the last, behind which all have paid, logs the signs too."""
    paid, weights = dict[str, Amounts](), {name: weight for name, (_, weight) in rewards.items()}

    def look(completions: Any, completion_ids: Any, problem: Any, log_metric: Any, **_: Any) -> None:
        texts, lengths = [text_of(one) for one in completions], [len(ids) for ids in completion_ids]
        ended = [end in ids[-1:] for ids in completion_ids]
        now = signs(watch.batch(texts, problem, summed(paid, weights).tolist(), lengths, ended))
        for name, value in asdict(now).items():
            if value is not None:
                log_metric(f"signs/{name}", value)

    def named(name: str, reward: Reward) -> Reward:
        def called(**columns: Any) -> Amounts:
            paid[name] = reward(**columns)
            if name == [*rewards][-1]:
                look(**columns)
            return paid[name]

        called.__name__ = name
        return called

    return [named(name, reward) for name, (reward, _) in rewards.items()]


def _stopping(watch: Watch) -> Any:
    """The callback that warns, and ends a run behind its checkpoint; the log, which checkpoints keep, is all that it knows."""
    from transformers import TrainerCallback

    def history(state: Any) -> list[Signs]:
        told = [line for line in state.log_history if "signs/length" in line]
        return [Signs(**{one.name: line.get(f"signs/{one.name}") for one in fields(Signs)}) for line in told]

    class Stopping(TrainerCallback):  # type: ignore[misc]  # TRL's packages are not read by mypy
        def on_log(self, _args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:
            if "signs/length" in logs:
                for name, sentence in watch.news(history(state)).items():
                    log.warning("step %d, %s: %s", state.global_step, name, sentence)
                control.should_save = control.should_save or watch.stop(history(state), state.global_step) is not None

        def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if stopped := watch.stop(history(state), state.global_step):
                raise stopped

    return Stopping()


def tiny(folder: Path) -> tuple[str, Any]:
    """A random model of Qwen2.5's architecture with 35 thousand parameters in `folder`, and a tokenizer of bytes: nothing is
    downloaded.

    (A reference model, where a preset wants one, is loaded from a folder again.)
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    words = {word: number for number, word in enumerate([*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    inner = Tokenizer(models.BPE(vocab=words, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(specials)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE, padding_side="left"
    )
    config = Qwen2Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        pad_token_id=words["<|endoftext|>"],
        eos_token_id=words["<|im_end|>"],
        bos_token_id=None,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return str(folder), tokenizer


def rehearsal(run: Run) -> Run:
    """The run that a dry run makes of it: two steps of a few short answers on the CPU."""
    return Run(run.tasks, 2, 2, 4, 16, run.rate, lora=run.lora, cpu=True)


def train(
    model: str | None, chosen: Preset, run: Run, folder: Path, told: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> Path:
    """Train a Hugging Face model, by its name or folder (None: `tiny`), paid for being right, and write it to `folder`/model.

    Goes on from the last whole checkpoint in `folder`. `told` gets every line of the log. Raises RewardHacked as `trainer` does.
    """
    try:
        import trl  # noqa: F401 - first, so that what is missing is told before anything is downloaded
        from transformers import AutoTokenizer, PrinterCallback
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "train") from error
    name, tokenizer = tiny(folder / "random") if model is None else (model, AutoTokenizer.from_pretrained(model))
    made = trainer(name, tokenizer, chosen, run, folder, {"right": (accuracy, 1.0)})
    made.remove_callback(PrinterCallback)
    made.add_callback(_telling(told))
    whole = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name[11:]))
    made.train(resume_from_checkpoint=str(whole[-1].parent) if whole else None)
    made.save_model(str(folder / "model"))
    return folder / "model"


def _telling(told: Callable[[Mapping[str, Any]], None]) -> Any:
    from transformers import TrainerCallback

    class Telling(TrainerCallback):  # type: ignore[misc]  # as above
        def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any], **_: Any) -> None:
            if "reward" in logs and state.is_world_process_zero:
                told({**logs, "step": state.global_step})

    return Telling()
