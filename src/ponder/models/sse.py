"""Server-sent events: bytes, split anywhere, become the data of whole events (WHATWG HTML, section 9.2.6)."""

from collections.abc import Iterator


class Events:
    """Incremental decoder of one event stream: comments, event names and ids are skipped, any of the three line ends is understood.

    What follows the last blank line is no event yet, and is dropped with the decoder, as the standard says.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Yields the data of every event that `block` completes."""
        text = self._rest + block
        held = text[-1:] if text.endswith(b"\r") else b""  # its line feed may come with the next block
        if b"\r" in text:
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()
