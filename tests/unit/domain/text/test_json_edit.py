"""Members of JSON texts: put in, replaced and taken out with every other byte as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_orchestrate.domain.text.json_edit import object_at, parse_line, with_member, without_member

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=5)
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"indent": 2},
    {"indent": "\t"},
    {"separators": (",", ":")},
    {"indent": 4, "ensure_ascii": False},
    {"separators": (" ,\n", "  :  ")},
]


@given(OBJECTS, st.sampled_from(LAYOUTS), st.sampled_from(["\n", "\r\n"]), st.text(max_size=6))
def test_a_member_goes_in_and_out_again(whole: dict[str, Any], layout: dict[str, Any], line: str, name: str) -> None:
    """Whatever the object and its layout: it has the new value and all others, in their old text, and is as before without it."""
    text = json.dumps(whole, **layout).replace("\n", line) + line
    entry = {"command": "x", "args": ["a", "b"]}
    after = with_member(text, object_at(text, 0), name, entry)
    assert json.loads(after) == {**whole, name: entry}
    assert list(json.loads(after)) == list({**whole, name: entry})
    for each in object_at(text, 0).members:
        if each.name != name:
            assert text[each.key : each.end] in after
    left = without_member(after, object_at(after, 0), name)
    assert json.loads(left) == {key: value for key, value in whole.items() if key != name}
    if whole and name not in whole:
        assert left == text


@given(OBJECTS, st.sampled_from(LAYOUTS))
def test_the_members_of_an_object_are_where_they_stand(whole: dict[str, Any], layout: dict[str, Any]) -> None:
    """Names and values are read at their places, whatever braces and quotes are inside of them."""
    text = "  " + json.dumps(whole, **layout)
    found = object_at(text, 0)
    assert {each.name: json.loads(text[each.value : each.end]) for each in found.members} == whole
    assert text[found.start] == "{" and found.end == len(text)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"a": "cut \\ud83d"}', {"a": "cut ?"}),
        (b'{"a": "cut \\uDE00 here"}', {"a": "cut ? here"}),
        (b'{"a": "raw \xed\xa0\x80"}', {"a": "raw \ufffd\ufffd\ufffd"}),
        (b'{"a": "\\ud83d\\ude00 \xc3\xa9"}', {"a": "\U0001f600 \u00e9"}),
    ],
    ids=["first half", "second half", "as bytes", "whole ones"],
)
def test_a_line_of_another_program_can_be_written_down(line: bytes, value: Any) -> None:
    """Halves of characters are replaced, whole ones stay."""
    assert parse_line(line) == value
    json.dumps(parse_line(line), ensure_ascii=False).encode()
