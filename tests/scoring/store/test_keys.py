"""API keys: told once, kept as hashes, and refused when anything about them is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.store import SCOPES, Store, StoreError


def test_a_key_is_known_by_its_text_alone(store: Store) -> None:
    key, text = store.keys.add("Branch in Évry", {"score", "outcome"})
    assert re.fullmatch(rf"cs_{key.id}_[A-Za-z0-9_-]{{43}}", text)
    assert key.name == "Branch in Évry"
    assert key.scopes == {"score", "outcome"}
    assert store.keys.verify(text) == key
    assert store.keys.all() == [key]
    other, other_text = store.keys.add("Branch in Évry", SCOPES)
    assert store.keys.verify(other_text) == other
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
        assert store.keys.verify(wrong) is None


@given(text=st.text(max_size=80) | st.from_regex(r"cs_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"))
@settings(max_examples=60, deadline=None)
def test_no_other_text_is_a_key(lasting_store: Store, text: str) -> None:
    if not lasting_store.keys.all():
        lasting_store.keys.add("somebody", {"score"})
    assert lasting_store.keys.verify(text) is None


def test_a_revoked_key_opens_nothing_and_stays_listed(store: Store) -> None:
    key, text = store.keys.add("bank", {"score"})
    _, kept = store.keys.add("other", {"score"})
    revoked = store.keys.revoke(key.id)
    assert revoked.revoked_at is not None
    assert store.keys.verify(text) is None
    assert store.keys.verify(kept) is not None
    # Revoked again, the first time stays.
    assert store.keys.revoke(key.id) == revoked
    assert store.keys.all()[0] == revoked
    with pytest.raises(StoreError, match="keys list"):
        store.keys.revoke("0" * 12)


@pytest.mark.parametrize("scopes", [set(), {"everything"}, {"score", "root"}])
def test_unknown_scopes_are_refused(store: Store, scopes: set[str]) -> None:
    with pytest.raises(StoreError, match="scopes are score, outcome, admin"):
        store.keys.add("bank", scopes)
    assert store.keys.all() == []


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "nul\x00", "x" * 201, "\u00a0", "--"])
def test_a_key_has_a_name(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="name"):
        store.keys.add(name, {"score"})


def test_the_secret_is_not_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    key, text = store.keys.add("bank", {"score"})
    assert store.keys.verify(text) == key
    store.close()
    content = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert key.id.encode() in content
    assert text[-43:].encode() not in content
