"""A model that says what a test makes it say, a word a token, and keeps the requests that it got; a watch that cuts."""

import re
from dataclasses import dataclass

from ponder.models.simulated import Simulated
from ponder.types import Abilities

ONE_BY_ONE = Abilities(continues=True, usage=True)


class Scripted(Simulated):
    """`say(request)` is what the model would write to its end; stop strings and `max_tokens` cut it."""

    def __init__(self, say, **settings):
        super().__init__(**({"abilities": ONE_BY_ONE} | settings))
        object.__setattr__(self, "say", say)
        object.__setattr__(self, "requests", [])

    def _write(self, request, choice):
        self.requests.append(request)
        words = re.findall(r"\s*\S+\s*", self.say(request))
        return words, [0.0] * len(words)


def talk(request):
    """All that the model was shown, as one text."""
    return "\n".join([*(message.content for message in request.messages), request.prefix])


@dataclass(frozen=True)
class After:
    """A watch that ends a draw after so many tokens."""

    tokens: int

    def __call__(self):
        left = iter(range(self.tokens - 1, -1, -1))
        return lambda chunk: 0 in [next(left, 0) for _ in chunk.token_ids]
