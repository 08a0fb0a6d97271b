"""Bodies of many applicants, taken apart before they are parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.bodies import parse, split
from api.http.problems import ProblemError

VALUES = st.recursive(
    st.none() | st.integers() | st.text('"\\[]{},:a é\n'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('"\\],a'), inner),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=8), st.integers(1, 9), st.booleans(), st.booleans())
def test_an_array_is_taken_apart_as_it_is_parsed(
    values: list[Any], block: int, spaced: bool, plain: bool
) -> None:
    text = json.dumps(values, indent=1 if spaced else None, ensure_ascii=plain)
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Texts, escapes and brackets lie across the blocks' ends.
        monkeypatch.setattr("api.http.bodies._BLOCK", block)
        parts = split(f" {text}\r\n".encode(), 8, lines=False)
    assert [json.loads(part) for part in parts] == values


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[", 400), (b"[1", 400), (b'["a]', 400), (b"[]]", 400), (b"[1] [2]", 400),
     (b"[1],", 400), (b"[1]x", 400), (b'[1]"a"', 400), (b'{"a": 1}', 422), (b"3", 422),
     (b"[1,2,3,4]", 422), (b"[" * 1_000, 400), (b"[" + b"[]," * 1_000_000 + b"[]]", 422)],
)  # fmt: skip
def test_what_is_no_array_or_has_too_many_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(ProblemError) as refusal:
        split(body, 3, lines=False)
    assert refusal.value.status == status


def test_lines_are_counted_before_they_are_kept() -> None:
    assert split(b'{"a": 1}\r\n\n 2 \n', 2, lines=True) == [b'{"a": 1}', b"2"]
    for body in (b"1\n2\n3", b"\n" * 1_000_000):
        with pytest.raises(ProblemError, match="More than 2 applicants"):
            split(body, 2, lines=True)


def test_items_are_counted_before_they_are_made() -> None:
    assert parse(b"[[],{},1]", 5) == [[], {}, 1]
    with pytest.raises(ProblemError, match="too many items: at most 4"):
        parse(b"[[],{},1]", 4)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"NaN", [""]),
        (b'{"a/b~c": [1, NaN]}', ["/a~1b~0c/1"]),
        (b'{"a": "NaN, Infinity", "b": -Infinity}', ["/b"]),
        (b'{"a": NaN', []),
        (b'{"a": nan}', []),
        (b"[" + b"NaN," * 400_000 + b"1]", [f"/{index}" for index in range(50)]),
        (b'{"' + b"y" * 1_000_000 + b'": NaN}', ["/" + "y" * 80]),
        (b"[" * 400_000 + b"NaN", []),
        (b"[" + b"1" * 1_000_000 + b", NaN]", []),
    ],
)
def test_numbers_that_json_has_not_are_named_in_few_words(body: bytes, pointers: list[str]) -> None:
    with pytest.raises(ProblemError) as refusal:
        parse(body)
    assert refusal.value.status == 400
    assert [error.pointer for error in refusal.value.errors] == pointers
