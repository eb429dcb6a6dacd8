"""An endpoint's words are passed on, unless they quote the key or the prompt."""

import json
from typing import Any

import pytest

from ponder.models.refusal import broke, refused

SECRETS = ("sk-very-secret-key", "", "Tell me about my-private-matter, please.", "Dear")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no such model", "type": "t", "param": None, "code": "c"}}, "no such model, t, c"),
        ({"error": "busy"}, "busy"),
        ({"object": "error", "message": "too long", "type": "BadRequestError"}, "too long, BadRequestError"),
        ({"detail": [{"msg": "field required"}]}, "field required"),
        ({}, "it does not say why"),
        (["what"], r"\['what'\]"),
    ],
)
def test_what_it_says_is_told_whatever_its_shape(body: Any, words: str) -> None:
    with pytest.raises(
        type(error := refused("m", 418, json.dumps(body).encode(), None, SECRETS)), match=f"`m` refused with .* 418: .*{words}"
    ):
        raise error


@pytest.mark.parametrize("said", ["bad key sk-very-secr***", "about my-private-matter", "Dear", "x" * 250 + "very-secret-key"])
@pytest.mark.parametrize("place", ["message", "type", "code", "param"])
def test_what_quotes_a_secret_is_withheld_and_the_rest_is_told(said: str, place: str) -> None:
    fields = {"message": "too long", "type": "bad", "code": "42"} | {place: said}
    for told in (str(refused("m", 400, json.dumps({"error": fields}).encode(), None, SECRETS)), str(broke("m", fields, SECRETS))):
        assert "withheld" in told
        assert not any(part in told for part in ("secr", "private", "Dear"))
        assert ("bad" in told) == (place != "type")


@pytest.mark.parametrize("body", [b"", b"Dear", b"<html>Dear</html>", b"\xff\xfe"])
def test_what_is_no_json_is_not_quoted(body: bytes) -> None:
    assert f"status 502: {len(body)} bytes that are no JSON" in str(refused("m", 502, body, None, SECRETS))
