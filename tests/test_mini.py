"""The built-in reasoner's shipped weights: one file, the same greedy answers in every engine, and a search that pays."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ponder.models
from ponder.models import gguf
from ponder.models.openvino import OpenVINO
from ponder.tasks import get
from ponder.train.data import batch
from ponder.types import Message, Problem, Request

MINI = Path(ponder.models.__file__).with_name("mini.gguf")

GREEDY = {
    "countdown 11 2 5 to 27": "11+5=16 left 2 16\n16*2=22",
    "countdown 6 4 13 9 1 to 2": "9+6=15 left 4 13 1 15\n15-13=2 left 4 1 2\n4-1=3 left 2 3\n3-2=1",
    "compute left to right 12+7*3-5": "12+7=19\n19*3=57\n57-5=52\nanswer 52",
    "compute left to right 30+12-7*2-21+8": "30+12=42\n42-7=35\n35*2=70\n70-21=49\n49+8=57\nanswer 57",
}
"""Questions and the whole greedy answers of the shipped weights: the end of the answer is part of it, and so are mistakes."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVINO]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONDER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        opened = OpenVINO(MINI)
        yield opened
        asyncio.run(opened.close())


async def answer(model: OpenVINO, problem: tuple[Message, ...], temperature: float = 0.0, seed: int = 0) -> str:
    request = Request(problem, max_tokens=200, temperature=temperature, seed=seed)
    return "".join([chunk.text async for chunk in model.stream(request)])


def by_llama_cpp() -> Callable[[str], str]:
    library = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    engine = library.Llama(str(MINI), n_ctx=512, verbose=False)

    def run(question: str) -> str:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
        return str(engine.create_chat_completion(turns, temperature=0.0, max_tokens=200)["choices"][0]["message"]["content"])

    return run


def by_transformers() -> Callable[[str], str]:
    pytest.importorskip("torch", reason="torch is not installed")
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    place = {"pretrained_model_name_or_path": str(MINI.parent), "gguf_file": MINI.name}
    tokenizer, engine = library.AutoTokenizer.from_pretrained(**place), library.AutoModelForCausalLM.from_pretrained(**place)

    def run(question: str) -> str:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        output = engine.generate(**prompt, do_sample=False, max_new_tokens=200)
        return str(tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))

    return run


@pytest.mark.parametrize("question", GREEDY)
def test_openvino_gives_the_greedy_answer_whatever_the_system_message(model: OpenVINO, question: str) -> None:
    bare, told = (Message("user", question),), (Message("system", "Be brief."), Message("user", question))
    assert asyncio.run(answer(model, bare)) == GREEDY[question]
    assert asyncio.run(answer(model, told)) == GREEDY[question]


@pytest.mark.parametrize("engine", [by_llama_cpp, by_transformers])
def test_other_engines_give_the_same_greedy_answers(engine: Callable[[], Callable[[str], str]]) -> None:
    run = engine()
    assert {question: run(question) for question in GREEDY} == GREEDY


def test_one_sample_often_fails_and_many_hardly_ever(model: OpenVINO) -> None:
    task = get("countdown-4")
    problems = task.load("test", 12)

    async def scores(problem: Problem) -> list[float | None]:
        texts = await asyncio.gather(*(answer(model, problem.messages, task.temperature, seed) for seed in range(32)))
        blind = [task.verifier.grade(problem, text) for text in texts]  # type: ignore[union-attr]
        return [score.value for score in blind]

    async def run() -> list[list[float | None]]:
        return await asyncio.gather(*map(scores, problems))

    values = asyncio.run(run())
    assert 0.05 < sum(sum(map(bool, row)) for row in values) / (12 * 32) < 0.6
    assert sum(any(row) for row in values) >= 8


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    from ponder.train import mini

    recipe, dying = mini.Recipe(steps=4, rows=1, width=256, keep=2, threads=1), False

    def loss(model: Any, step: int) -> Any:
        if dying and step == 3:
            raise KeyboardInterrupt
        tokens, labels = map(torch.from_numpy, batch(recipe.seed, step, recipe.rows, recipe.width))
        return [model(input_ids=tokens, labels=labels).loss]

    def trained(checkpoint: Path) -> Any:
        model = mini.fresh(recipe)
        mini.train(model, loss, recipe, checkpoint)
        return model.state_dict()

    whole, dying = trained(tmp_path / "whole.pt"), True
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed.pt")
    dying = False
    resumed = trained(tmp_path / "killed.pt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_file_says_what_it_is() -> None:
    facts = gguf.facts(MINI)
    assert (facts.parameters, facts.context, facts.bos) == (2_919_680, 512, 1)
    assert MINI.with_name("mini.gguf.sha256").read_text().split()[0] == gguf.checksum(MINI)
