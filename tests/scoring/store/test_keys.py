"""API keys: told once, kept as hashes, and refused when anything about them is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.store import SCOPES, Store, StoreError


def test_a_key_is_known_by_its_text_alone(store: Store) -> None:
    key, text = store.add_key("Branch in Évry", {"score", "outcome"})
    assert re.fullmatch(rf"cs_{key.id}_[A-Za-z0-9_-]{{43}}", text)
    assert key.name == "Branch in Évry"
    assert key.scopes == {"score", "outcome"}
    assert store.verify_key(text) == key
    assert store.keys() == [key]
    other, other_text = store.add_key("Branch in Évry", SCOPES)
    assert store.verify_key(other_text) == other
    assert text != other_text
    mixed = f"cs_{key.id}_{other_text[-43:]}"
    last = "B" if text.endswith("A") else "A"
    for wrong in (
        mixed,
        text[:-1],
        text[:-1] + last,
        f"{text}A",
        f"{text}\n",
        f" {text}",
        text.upper(),
        text.replace(key.id, "0" * 12),
        text.removeprefix("cs_"),
        "",
    ):
        assert store.verify_key(wrong) is None


@given(text=st.text(max_size=80) | st.from_regex(r"cs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"))
@settings(max_examples=60, deadline=None)
def test_no_other_text_is_a_key(lasting_store: Store, text: str) -> None:
    if not lasting_store.keys():
        lasting_store.add_key("somebody", {"score"})
    assert lasting_store.verify_key(text) is None


def test_a_revoked_key_opens_nothing_and_stays_listed(store: Store) -> None:
    key, text = store.add_key("bank", {"score"})
    _, kept = store.add_key("other", {"score"})
    revoked = store.revoke_key(key.id)
    assert revoked.revoked_at is not None
    assert store.verify_key(text) is None
    assert store.verify_key(kept) is not None
    # Revoked again, the first time stays.
    assert store.revoke_key(key.id) == revoked
    assert store.keys()[0] == revoked
    with pytest.raises(StoreError, match="keys list"):
        store.revoke_key("0" * 12)


@pytest.mark.parametrize("scopes", [set(), {"everything"}, {"score", "root"}])
def test_unknown_scopes_are_refused(store: Store, scopes: set[str]) -> None:
    with pytest.raises(StoreError, match="scopes are score, outcome, admin"):
        store.add_key("bank", scopes)
    assert store.keys() == []


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "nul\x00", "x" * 201, "\u00a0", "--"])
def test_a_key_has_a_name(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="name"):
        store.add_key(name, {"score"})


def test_the_secret_is_not_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    key, text = store.add_key("bank", {"score"})
    assert store.verify_key(text) == key
    store.close()
    content = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert key.id.encode() in content
    assert text[-43:].encode() not in content
