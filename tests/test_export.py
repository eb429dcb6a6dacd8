"""The two conversions that GGUF asks for: names of bytes, and the order of rotated rows."""

import numpy as np

from ponder.train.data import FIRST_BYTE, VOCABULARY, encode
from ponder.train.export import byte_names, interleave


def test_every_byte_has_a_printable_name_of_its_own() -> None:
    names = byte_names()
    assert len(set(names)) == 256 == VOCABULARY - FIRST_BYTE - 1
    assert names[ord("A")] == "A"
    assert (names[ord(" ")], names[ord("\n")]) == ("Ġ", "Ċ")
    assert all(name.isprintable() for name in names)
    assert encode("A") == [FIRST_BYTE + names.index("A")]


def test_halves_become_pairs() -> None:
    """transformers rotates row i with row i + half of its head, GGUF's llama row 2i with row 2i + 1."""
    weight = np.arange(8, dtype=np.float32).reshape(8, 1)
    assert interleave(weight, heads=1)[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert interleave(weight, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
