"""Thinking text written inline, `<think>...</think>` before the answer, told apart from the answer while it streams."""

OPEN, CLOSE = "<think>", "</think>"


class Thoughts:
    """Splits the pieces of one draw into (reasoning, text). The tags themselves, split over pieces or not, belong to neither.

    Only a tag that opens the draw counts (after white space): later ones are something the answer talks about. The white space
    around the tags is dropped. `feed` holds back what may still become a tag; `end` releases it.
    """

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        if self._state == "answer":
            return "", piece
        self._held += piece
        if self._state == "start" and not self._open():
            return "", ""
        if self._state == "thinking":
            return self._think()
        return "", self._answer()

    def end(self) -> tuple[str, str]:
        """What was held back, now that nothing can complete a tag."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)

    def _open(self) -> bool:
        """Decides, where it can be decided, whether the draw begins with a tag."""
        begin = self._held.lstrip()
        if OPEN.startswith(begin[: len(OPEN)]) and len(begin) < len(OPEN):
            return False
        if begin.startswith(OPEN):
            self._state, self._held = "thinking", begin.removeprefix(OPEN)
        else:
            self._state = "answer"
        return True

    def _think(self) -> tuple[str, str]:
        reasoning, close, answer = self._held.partition(CLOSE)
        if close:
            self._state, self._held = "closed", answer
            return reasoning, self._answer()
        kept = next((size for size in range(len(CLOSE) - 1, 0, -1) if reasoning.endswith(CLOSE[:size])), 0)
        self._held = reasoning[len(reasoning) - kept :]
        return reasoning[: len(reasoning) - kept], ""

    def _answer(self) -> str:
        """The answer's text; after a closing tag it begins with its first visible character."""
        text, self._held = self._held, ""
        if self._state == "closed":
            text = text.lstrip()
        if text:
            self._state = "answer"
        return text
