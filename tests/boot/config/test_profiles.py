"""Profile expressions and groups."""

from __future__ import annotations

import pytest

from app_framework.boot.config.profiles import Profiles, ProfileSyntaxError, expanded, is_profile_name


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("prod", True), ("test", False), ("!test", True), ("prod & eu", True), ("prod & us", False),
        ("prod & (us | eu) & !test", True), ("us | eu", True), ("!(prod & eu)", False), ("!!prod", True),
        ("  prod&eu  ", True), ("(((eu)))", True), ("default", False),
    ],
)  # fmt: skip
def test_expressions(expression: str, holds: bool) -> None:
    """And, or, not and parentheses."""
    assert Profiles(("prod", "eu")).accepts(expression) is holds


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "a profile was expected at the end"),
        ("prod &", "a profile was expected at the end"),
        ("prod eu", "'eu' was not expected"),
        ("(prod", "a ')' is missing"),
        ("prod & eu | us", "'&' and '|' need parentheses when mixed"),
        ("prod, eu", "',' was not expected"),
        ("prod & & eu", "a profile was expected before '&'"),
    ],
)
def test_a_broken_expression_says_what_is_wrong(expression: str, reason: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ProfileSyntaxError) as caught:
        Profiles().accepts(expression)
    assert str(caught.value) == f"profile expression '{expression}' cannot be read: {reason}"


def test_the_default_profile_holds_while_none_is_active() -> None:
    """One active profile ends it."""
    assert Profiles().accepts("default")
    assert not Profiles(("prod",)).accepts("default")


def test_groups_expand_in_order_and_survive_cycles() -> None:
    """Members follow the group that brought them; each profile counts once."""
    groups = {"prod": ["db", "mq"], "mq": ["nats", "prod"]}
    assert expanded(["eu", "prod", "db"], groups) == ("eu", "prod", "db", "mq", "nats")


@pytest.mark.parametrize(
    ("name", "good"), [("prod-eu.2@x+y_z", True), ("größe", True), ("a b", False), ("", False), ("a/b", False)]
)
def test_names(name: str, good: bool) -> None:
    """Letters, digits and - _ . + @, so that a name is always a safe part of a file name."""
    assert is_profile_name(name) is good
