"""API keys: shown once, stored as a digest, compared in constant time, revoked at once."""

import hmac
import sqlite3

import pytest

from ponder.errors import InputError
from ponder.serve import keys
from ponder.serve.keys import Keyring
from ponder.serve.limits import parse


@pytest.fixture
def db(tmp_path):
    made = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    yield made
    made.close()


def test_a_key_is_known_until_it_is_revoked(db):
    ring = Keyring(db, clock=lambda: 7.0)
    key = ring.create("ada", parse("$5/day,60/m"))
    found = ring.check(key)
    assert found is not None
    assert (found.name, found.limits, found.created) == ("ada", parse("$5/day,60/m"), 7.0)
    with pytest.raises(InputError, match="there is a key called `ada`"):
        ring.create("ada")
    ring.revoke("ada")
    assert ring.check(key) is None
    with pytest.raises(InputError, match="no living key called `ada`"):
        ring.revoke("ada")
    assert ring.check(ring.create("ada")) is not None
    assert [(one.name, one.revoked) for one in ring.all()] == [("ada", 7.0), ("ada", None)]


@pytest.mark.parametrize("wrong", ["", "pk-", "pk--", "sk-1", "pk-é-x", "\udc80", "pk-0-0", "pk"])
def test_what_is_no_key_is_refused(db, wrong):
    assert Keyring(db).check(wrong) is None


def test_every_changed_character_makes_another_key(db):
    ring = Keyring(db)
    key = ring.create("ada")
    assert ring.check(key)
    for at in range(len(key)):
        assert ring.check(key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :]) is None
    assert ring.check(key + "A") is None


def test_the_database_holds_no_secret(db, tmp_path):
    secret = Keyring(db).create("ada").split("-", 2)[2]
    assert len(secret) == 43  # 256 bits
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_every_check_compares_one_digest_in_constant_time(db, monkeypatch):
    compared, real = [], hmac.compare_digest
    ring = Keyring(db)
    key = ring.create("ada")
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b))
    assert [bool(ring.check(one)) for one in (key, "pk-unknown-x", "")] == [True, False, False]
    assert compared == [(32, 32)] * 3
