"""Thoughts that are given up too early: where a thinking text switches, and how a switch is held back."""

from __future__ import annotations

import re
from dataclasses import replace

from ponder import trace
from ponder.errors import BudgetExhausted, ModelError
from ponder.models.thoughts import CLOSE
from ponder.strategies.attempts import reply
from ponder.types import Model, Request, Sample

_SWITCHES = (  # each begins with a letter, and not with a class or \b: so a text is scanned for them as fast as it can be
    r"Alternatively\b", r"alternatively\b", r"Wait\b", r"w(?<!\ww)ait,", r"But [Ww]ait\b", r"but wait\b", r"Hold on\b", r"Hmm\b",
    r"On second thought\b", r"Another (?:way|approach|method|idea|option)\b",
    *(rf"{who} try (?:another|a different|something else)\b" for who in ("Let me", "Let's", "I could", "Maybe I should")),
)  # fmt: skip
SWITCH = re.compile("|".join(_SWITCHES))
"""What begins another thought. In English, and only what mostly does: "wait" within a sentence does not."""

_ENDS = re.compile("|".join([*_SWITCHES, re.escape(CLOSE)]))


async def patiently(model: Model, asked: Request, patience: int, parent: int | None = None) -> Sample:
    """A stretch of thinking in which a switch within `patience` tokens of a thought's start is drawn a second time.

    The draw ends before each switch. One that comes too early is taken back, and the model goes on from before it in another draw;
    where that switches at once again, it may. So at each place a switch of probability s comes with s², and never more than one
    draw is lost. What was taken back is in the trace (`held`, with what had come) and in the bill.

    TIP (Wang et al. 2025, 2501.18585) takes 3 from the logits of switch words within 600 tokens, which needs the engine; this asks
    of a model only that it goes on from a text, and holds back likely switches less than rare ones. A greedy model switches again.
    Thinking that an endpoint keeps apart from the text, as some do in the first stretch, is not seen.
    """
    so_far, thought, held = Sample("", prefix=asked.prefix, finish_reason="length", event=parent), 0, False
    while (left := asked.max_tokens - so_far.usage.completion) > 0:
        request = replace(asked, prefix=asked.prefix + so_far.text, max_tokens=left, until=_ENDS)
        try:
            drawn = await reply(model, request, parent=so_far.event)
        except (BudgetExhausted, ModelError):
            if not so_far.text:
                raise
            break
        so_far = replace(drawn, text=so_far.text + drawn.text, usage=so_far.usage + drawn.usage, prefix=asked.prefix)
        thought += drawn.usage.completion
        if drawn.stop is None or not SWITCH.fullmatch(drawn.stop):
            return so_far
        again = held and not drawn.text
        if thought < patience and not again:
            trace.current().record("held", drawn.event, switch=drawn.stop, tokens=thought)
            held = True
            continue
        so_far, thought, held = replace(so_far, text=so_far.text + drawn.stop), 0, False
    return replace(so_far, finish_reason="length", stop=None)
