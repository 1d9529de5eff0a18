"""YAML becomes values that know their place; what is not plain YAML 1.2 is refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot.config.yaml_source import YamlLimits, YamlText, read_yaml


def read(text: str, **limits: int) -> YamlText:
    return read_yaml(text, "a.yml", limits=YamlLimits(**limits))


def plain(text: str) -> object:
    found = read(text)
    assert not found.problems
    return found.documents[0].plain()


def complaint(text: str, **limits: int) -> str:
    (problem,) = read(text, **limits).problems
    return str(problem)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("on", "on"), ("no", "no"), ("Yes", "Yes"), ("012", "012"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"), ("true", True), ("FALSE", False), ("~", None), ("null", None), ("7", 7), ("-7", -7),
        ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), ("1e3", 1000.0), (".inf", float("inf")), ("'7'", "7"), ('"7"', "7"),
        ("!!str 7", "7"), ("!!int '7'", 7), ("1.2.3", "1.2.3"), ("=", "="), ("v1", "v1"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written: str, meant: object) -> None:
    """What 1.1 would turn into booleans, octals, base 60 and dates stays text."""
    assert plain(f"a: {written}") == {"a": meant}


def test_every_value_knows_its_line_and_column() -> None:
    """Keys and values have places of their own, counted from 1."""
    (root,) = read("server:\n  port: 8080\n  hosts:\n    - a\n").documents
    port, host = root.find(("server", "port")), root.find(("server", "hosts", 0))
    assert port is not None
    assert host is not None
    assert (str(port.origin), str(port.key_origin), str(host.origin)) == ("a.yml:2:9", "a.yml:2:3", "a.yml:4:7")


def test_keys_are_text_whatever_they_look_like() -> None:
    """A year or a boolean as key keeps its spelling."""
    assert plain("1993: a\ntrue: b\n0x1: c") == {"1993": "a", "true": "b", "0x1": "c"}


def test_documents_are_read_one_by_one_and_may_be_empty() -> None:
    """An empty document is an empty map."""
    found = read("a: 1\n---\n---\n# only a comment\n---\nb: 2\n")
    assert [document.plain() for document in found.documents] == [{"a": 1}, {}, {}, {"b": 2}]


def test_an_empty_text_has_no_problem() -> None:
    """Nothing is as good as an empty map."""
    assert read("") == YamlText((), ())


def test_anchors_and_merge_keys_work() -> None:
    """A map's own keys win over merged ones, an earlier base over a later one."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  c: 3\nlist: [*x]\n"
    document = plain(text)
    assert isinstance(document, dict)
    assert document["z"] == {"a": 1, "b": 1, "c": 3}
    assert document["list"] == [{"a": 1, "b": 1}]


def test_an_aliased_value_points_at_its_anchor_and_its_key_at_the_alias() -> None:
    """A message about the value leads to where it can be changed."""
    (root,) = read("a: &here 1\nb: *here\n").documents
    b = root.find(("b",))
    assert b is not None
    assert (str(b.origin), str(b.key_origin)) == ("a.yml:1:4", "a.yml:2:1")


def test_duplicate_keys_name_both_places() -> None:
    """YAML libraries silently keep the last one."""
    assert complaint("a: 1\nb: 2\na: 3\n") == "a.yml:3:1: key 'a' is written twice; the first is at a.yml:1:1"


def test_several_mistakes_of_one_file_are_all_found() -> None:
    """Only a syntax error ends the reading."""
    codes = [problem.code for problem in read("a: 1\na: 2\nb: !odd 3\n---\n[1]\n").problems]
    assert codes == ["duplicate-key", "unknown-tag", "not-a-map"]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!binary", "!!timestamp", "!mine"])
def test_only_safe_tags_are_read(tag: str) -> None:
    """No tag creates anything but a plain value."""
    assert "is not supported" in complaint(f"a: {tag} x")


def test_a_tag_that_does_not_fit_its_value_is_refused() -> None:
    """``!!int many`` is not quietly text."""
    assert complaint("a: !!int many") == "a.yml:1:4: the value is not a !!int"


@pytest.mark.parametrize(("text", "kind"), [("- a\n", "list"), ("just text\n", "single value")])
def test_a_document_must_be_a_map(text: str, kind: str) -> None:
    """Anything else has no keys to configure."""
    assert complaint(text) == f"a.yml:1:1: a document holds keys, not a {kind}"


def test_nesting_is_bounded() -> None:
    """Neither brackets nor indentation exhaust the stack."""
    assert "nested deeper than 64 levels" in complaint("a: " + "[" * 100_000)
    assert "nested deeper than 5 levels" in complaint("a: {b: {c: {d: {e: {f: 1}}}}}", max_depth=5)


def test_a_billion_laughs_are_cut_short() -> None:
    """Aliases of aliases are counted as if they were written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "more than 500,000 values once its aliases are expanded" in complaint("\n".join(lines))


def test_a_tower_of_aliases_is_as_deep_as_it_looks() -> None:
    """Each level adds one, although every line is short."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200)]
    assert "nested deeper than 64 levels" in complaint("\n".join(lines))


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    """It would never end."""
    assert complaint("a: &a [*a]") == "a.yml:1:8: the alias '*a' contains itself"


def test_a_large_text_is_refused_by_its_size() -> None:
    """The bound is named."""
    assert complaint("a: " + "x" * 100, max_bytes=50) == "a.yml: the text is larger than 50 bytes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "a.yml:2:2: the list that begins in line 1 is not closed"),
        ("a: {b: 1\n", "a.yml:2:1: the map that begins in line 1 is not closed"),
        ("a: 'x\nb: 2\n", "a.yml:1:4: the quoted text that begins here is not closed"),
        ("a: b: c\n", "a.yml:1:5: a ':' cannot stand here"),
        ("a:\n\tb: 1\n", "a.yml:2:1: a tab cannot indent YAML"),
        ("a: @b\n", "a.yml:1:4: a value cannot begin with '@'"),
        ("a: 1\n b: 2\n", "a.yml:2:3: a ':' cannot stand here"),
        ("a:\n  b: 1\n c: 2\n", "a.yml:3:2: this line does not fit the map it is in"),
        ("a: \x07\n", "a.yml:1:4: a control character is not allowed"),
        ("a: *b\n", "a.yml:1:4: the alias '*b' has no anchor above it"),
        ("? [a]\n: 1\n", "a.yml:1:3: a key must be a word, not empty, a list or a map"),
        ('a: "\\q"\n', "a.yml:1:5: this escape is not known between double quotes"),
    ],
)
def test_syntax_errors_are_told_in_plain_words(text: str, expected: str) -> None:
    """Place first, then what the reader can see there."""
    assert complaint(text) == expected


def test_a_syntax_error_shows_its_lines_with_a_caret() -> None:
    """The caret stands below the place."""
    (problem,) = read("server:\n  port: 80: 80\n").problems
    assert problem.snippet.splitlines() == ["  1 | server:", "  2 |   port: 80: 80", "    |           ^"]


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2: x\n",
        "admin: {password: hunter2: x}\n",
        "private-key: |\n  hunter2\n hunter2: [\n",
        "token: 'hunter2\n",
        "password: *hunter2\n",
        "password: !hunter2 x\n",
        "secrets:\n  - hunter2: [\n",
        "url: nats://ana:hunter2@host: x\n",
    ],
)
def test_a_syntax_error_never_shows_a_secret(text: str) -> None:
    """Not in the message and not in the lines around it (FA9)."""
    (problem,) = read(text).problems
    assert "hunter2" not in f"{problem} {problem.snippet} {problem.action}"


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-10**6, 10**6) | st.text(st.characters(codec="ascii", categories=["L"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_-.", min_size=1), inner, max_size=3),
))  # fmt: skip
def test_what_json_says_is_read_back(value: object) -> None:
    """JSON is YAML: the reader agrees with Python's own encoder."""
    assert plain(json.dumps({"a": value})) == {"a": value}
