"""What prefix caching saves: a beam search (16 beams, 4 wide) under a 400-token prompt on builtin:smollm2, with it and without.

python benchmarks/prefix.py           # about 3 minutes on 2 cores
"""

import asyncio
import statistics
import time

from ponder import solve, tasks
from ponder.models.catalog import download
from ponder.models.openvino import OpenVINO
from ponder.types import Request, Usage
from ponder.verifiers.simulated import Process

ROUNDS = 3
SENTENCE = "A train leaves the station at noon and stops in every village on its way to the sea. "
PRM = Process(lambda _problem, _prefix: 0.5)  # random scores: what is measured does not depend on them


def prompt(model: OpenVINO, tokens: int) -> str:
    """A question of about so many tokens, chat template included."""
    text = ""
    while model.prompt_tokens(Request(tasks.problem(text + SENTENCE).messages)) <= tokens:
        text += SENTENCE
    return text + "Where does it go?"


async def search(model: OpenVINO, question: str, seed: int) -> tuple[Usage, float]:
    """The policy's usage and the seconds of one search: 6 steps of 16 tokens."""
    began = time.monotonic()
    answer = await solve(
        question, model=model, strategy="beam(beams=16,width=4)", verifier=PRM, step="16", max_tokens=96, seed=seed
    )
    return answer.usage["policy"], time.monotonic() - began


async def main() -> None:
    path = download("builtin:smollm2")
    models = {caching: OpenVINO(path, caching=caching) for caching in (True, False)}
    question = prompt(models[True], 400)
    runs: dict[bool, list[tuple[Usage, float]]] = {True: [], False: []}
    for seed in range(ROUNDS):
        for caching, model in models.items():
            runs[caching].append(await search(model, question, seed))
    for model in models.values():
        await model.close()
    for caching, found in runs.items():
        usage = sum((one for one, _ in found), Usage())
        seconds = statistics.median(spent for _, spent in found)
        computed = (usage.prompt - usage.cached) / usage.prompt
        print(f"caching {'on ' if caching else 'off'}: {usage.calls // ROUNDS} draws, {usage.prompt // ROUNDS:,} prompt tokens "
              f"submitted, {computed:.1%} of them computed, {seconds:.1f} s (median of {ROUNDS})")  # fmt: skip
    ratio = statistics.median(on / off for (_, on), (_, off) in zip(runs[True], runs[False], strict=True))
    print(f"seconds with the cache over seconds without: {ratio:.2f} (median of {ROUNDS} pairs)")


if __name__ == "__main__":
    asyncio.run(main())
