"""Which prompt tokens the embedded engine finds in its prefix cache: its block rule, as it does not report them.

OpenVINO GenAI keeps the attention state of 32 tokens in a block and finds a block again by the hash of all tokens up to its end. A
request takes every whole block that it finds, then the shortest begun block; at least the last prompt token is always computed.
A begun block is lost as soon as a request goes on in it. Against the engine itself the rule is exact in whole blocks, and
less than a block off (tests/test_blocks.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

SIZE = 32

Key = int


def keys(tokens: Sequence[int]) -> list[Key]:
    """The chained keys of the whole blocks of `tokens`, then that of the begun one, if there is one."""
    found, key = [], 0
    for start in range(0, len(tokens), SIZE):
        key = hash((key, tuple(tokens[start : start + SIZE])))
        found.append(key)
    return found


@dataclass(slots=True)
class Blocks:
    """The cache's content by key, oldest first. `capacity` (blocks) is None until the engine has shown it.

    `begun` holds the begun blocks, `leaving` those that the next step loses, `computing` what is being computed.
    """

    capacity: int | None = None
    whole: dict[Key, None] = field(default_factory=dict)
    begun: set[Key] = field(default_factory=set)
    leaving: set[Key] = field(default_factory=set)
    computing: set[Key] = field(default_factory=set)

    def busy(self, prompt: Sequence[int]) -> bool:
        """Whether another request is computing a block that this prompt needs: it pays to wait for it."""
        return bool(self.computing) and not self.computing.isdisjoint(keys(prompt))

    def begin(self, prompt: Sequence[int]) -> int:
        """Admit a prompt; returns how many of its tokens are cached."""
        cached, needed = self._find(prompt)
        self.computing.update(needed)
        return cached

    def computed(self, prompt: Sequence[int]) -> None:
        """A prompt's first token is there: its blocks can be found, the begun one until the request's next step."""
        chain = keys(prompt)
        self.computing.difference_update(chain)
        self._keep(prompt, chain)
        if len(prompt) % SIZE:
            self.leaving.add(chain[-1])

    def leaves(self, prompt: Sequence[int]) -> bool:
        """Whether the next step loses the begun block of a prompt that has been computed."""
        return len(prompt) % SIZE > 1 and keys(prompt)[-1] in self.leaving

    def end(self, prompt: Sequence[int], tokens: Sequence[int]) -> None:
        """A request is over after the engine has processed `tokens`: they stay."""
        self.computing.difference_update(keys(prompt))
        self._keep(tokens, keys(tokens))

    def stepped(self) -> None:
        """The engine has made a step."""
        self.begun -= self.leaving
        self.leaving.clear()

    def _keep(self, tokens: Sequence[int], chain: list[Key]) -> None:
        if len(tokens) % SIZE:
            self.begun.add(chain[-1])
            self.leaving.discard(chain[-1])
        for key in chain[: len(tokens) // SIZE]:
            self.whole.pop(key, None)
            self.whole[key] = None
        while self.capacity is not None and len(self.whole) > self.capacity:
            del self.whole[next(iter(self.whole))]
            self.begun.clear()

    def _find(self, prompt: Sequence[int]) -> tuple[int, list[Key]]:
        """Cached tokens, and the keys of the blocks that are still to be computed."""
        chain, key, found = keys(prompt), 0, 0
        while found < len(chain) and (chain[found] in self.whole or chain[found] in self.begun):
            key, found = chain[found], found + 1
        cached = min(found * SIZE, len(prompt) - 1)
        if found < len(chain):
            block = tuple(prompt[found * SIZE : (found + 1) * SIZE])
            for length in range(1, len(block)):
                begun = hash((key, block[:length]))
                if begun in self.begun:
                    self.leaving.add(begun)
                    cached += length
                    break
        return cached, chain[found:]
