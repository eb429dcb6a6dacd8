"""What the guards of thinking do to answers: how many each makes right and how many wrong, and the tokens that it saves or costs.

python benchmarks/thinking.py              # about 40 seconds on 2 cores

On simulated models, whose habits are known. The built-in ones are no subjects: they have not learnt to reconsider, so no chain of
theirs comes to rest, and they never switch.
"""

import asyncio
from dataclasses import dataclass, replace
from statistics import fmean

from ponder.lab.thinking import switches
from ponder.models.simulated import ABLE, Simulated, dice
from ponder.solve import solve
from ponder.tasks.simulated import problems
from ponder.types import Answer, Request

COUNT = 100
ALONE = replace(ABLE, n=False)


@dataclass(frozen=True)
class Wanderer(Simulated):
    """A model that may give up its thoughts. A thought of `depth` sentences, four tokens each, ends with the answer.

    Before each sentence but a thought's first it switches with probability `restless`. After `limit` sentences it guesses wrongly.
    """

    depth: int = 8
    restless: float = 0.2
    limit: int = 60

    def _write(self, request: Request, choice: int) -> tuple[list[str], list[float]]:
        question = request.messages[-1].content.split()[-1]
        rng = dice(self.seed, question, request.prefix, request.seed, choice)
        since, total = (text.count(".") for text in (request.prefix.rpartition("Alternatively")[2], request.prefix))
        tokens = [", "] if request.prefix.endswith("Alternatively") else []
        while since < self.depth and total < self.limit:
            if since and rng.random() < self.restless:
                tokens.append("Alternatively, ")
                since = 0
            tokens += ["so ", "we ", "try ", f"{rng.getrandbits(16):04x}. "]
            since, total = since + 1, total + 1
        tokens += ["answer ", question if since == self.depth else f"{question}~0"]
        return tokens, [0.0] * len(tokens)


async def run(model: Simulated, strategy: str) -> list[Answer]:
    return await asyncio.gather(*(solve(one, model=model, strategy=strategy, max_tokens=400) for one in problems(COUNT)))


def compare(before: list[Answer], after: list[Answer]) -> str:
    """A row: accuracy and tokens without and with the guard, and how many answers it changed each way."""
    right = [
        [one.answer == problem.reference for one, problem in zip(some, problems(COUNT), strict=True)] for some in (before, after)
    ]
    spoilt = sum(was and not is_ for was, is_ in zip(*right, strict=True))
    mended = sum(is_ and not was for was, is_ in zip(*right, strict=True))
    tokens = [fmean(one.usage["policy"].completion for one in some) for some in (before, after)]
    shares = " -> ".join(f"{sum(some) / COUNT:.2f}" for some in right)
    return f"{shares} | {spoilt} | {mended} | {tokens[0]:.0f} -> {tokens[1]:.0f}"


async def settled() -> None:
    """Chains that end when answers in a row agree, where a further attempt mends with f and spoils with b.

    `self-refine` is the same chain as `think`.
    """
    print("| f, b | strategy | settled | right, without -> with | right->wrong | wrong->right | completion tokens |")
    print("|---|---|---|---|---|---|---|")
    for fixes, breaks in ((0.3, 0.02), (0.1, 0.1), (0.05, 0.3)):
        model = Simulated(accuracy=0.4, steps=2, words=1, attractor=0.5, fixes=fixes, breaks=breaks, abilities=ALONE)
        for name, sizes in (("think", "waits=8"), ("revise", "chains=4,length=6")):
            before = await run(model, f"{name}({sizes})")
            for window in (2, 3):
                after = await run(model, f"{name}({sizes},settled={window})")
                print(f"| {fixes}, {breaks} | `{name}({sizes})` | {window} | {compare(before, after)} |")


async def patience() -> None:
    """Switches held back, where a thought must last for 32 tokens to come to its answer."""
    print(
        "\n| switches a sentence | patience | right, without -> with | right->wrong | wrong->right | completion tokens | switches |"
    )
    print("|---|---|---|---|---|---|---|")
    for restless in (0.05, 0.2, 0.4, 0.6):
        model = Wanderer(restless=restless, abilities=ALONE)
        before = await run(model, "think(waits=0)")
        for tokens in (12, 32):
            after = await run(model, f"think(waits=0,patience={tokens})")
            counts = " -> ".join(f"{fmean(switches(one.text) for one in some):.1f}" for some in (before, after))
            print(f"| {restless} | {tokens} | {compare(before, after)} | {counts} |")


async def main() -> None:
    await settled()
    await patience()


if __name__ == "__main__":
    asyncio.run(main())
