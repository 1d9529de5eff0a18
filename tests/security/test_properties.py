"""The section `security`: what is accepted, what is refused, and that nothing of it is ever shown."""

from __future__ import annotations

import logging

import pytest

from app_framework.security import Authenticator, Credentials, Doors, PasswordHash
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.security.password import QUICK
from app_framework.testing import ContextRunner

runner = ContextRunner(auto=[SecurityAutoConfiguration])


def mistakes(text: str) -> str:
    """What is said about a configuration."""
    failure = runner.yaml(text).fails()
    return f"{failure.description}\n{failure.action}"


@pytest.mark.parametrize("text", ["app: {name: x}", "security: {}", "security: {users: {}, tokens: {}}"])
def test_without_anybody_there_is_no_security(text: str) -> None:
    """An empty list is not a lock without a key."""
    with runner.yaml(text).run() as context:
        assert context.all(Authenticator) == []
        assert context[Doors].table


def test_users_and_tokens_are_read(caplog: pytest.LogCaptureFixture) -> None:
    """Names as they are written, roles as a list or a text, passwords from variables."""
    kept = PasswordHash.of("x", QUICK)
    text = f"""
    security:
      users:
        "ana@example.org": {{password: "${{PASSWORD}}", roles: "reader, writer"}}
        Bob_B: {{password: "{kept}", roles: admin}}
      tokens: {{ci: {{token: "${{TOKEN}}", roles: [reader]}}}}
    """
    with runner.yaml(text).environ({"PASSWORD": "open sesame", "TOKEN": "0123456789abcdef"}).run() as context:
        assert repr(context[Credentials]) == "<Credentials of 2 users and 1 tokens>"
    assert not caplog.records


def test_a_variable_may_set_a_password() -> None:
    """`APP_SECURITY_USERS_ADMIN_PASSWORD`, beside roles in the file."""
    text = "security: {users: {admin: {roles: [admin]}}}"
    with runner.yaml(text).environ({"APP_SECURITY_USERS_ADMIN_PASSWORD": "open sesame"}).run() as context:
        assert context.all(Credentials)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users: {a: {roles: [admin]}}", "security.users.a.password must be set"),
        ("users: {a: {password: sesame-open}}", "security.users.a.roles must be set"),
        ("users: {a: {password: sesame-open, roles: []}}", "1:47: security.users.a.roles must have at least 1"),
        ("users: {a: {password: sesame-open, roles: [admni]}}", "Did you mean: admin"),
        ("users: {a: {password: '', roles: [admin]}}", "password: it is empty"),
        ("users: {a: {password: '${NOWHERE:}', roles: [admin]}}", "password: it is empty"),
        ("users: {a: {password: 'scrypt:16', roles: [admin]}}", "af security hash"),
        ("users: {'a:b': {password: sesame-open, roles: [admin]}}", "a name without a colon"),
        ("users: {a: {pasword: sesame-open, roles: [admin]}}", "Did you mean: password"),
        ("tokens: {ci: {token: sesame-open, roles: [reader]}}", "af security secret"),
        ("tokens: {ci: {token: 'sesame open sesame', roles: [reader]}}", "af security secret"),
        ("tokens: {ci: {token: 'scrypt:16:8:1:abc:def', roles: [reader]}}", "a hash is for passwords"),
        ("doors: [{path: orders, role: reader}]", "must be a path"),
        ("doors: [{path: /orders, role: nobody}]", "anyone"),
        ("max-checks: 0", "security.max-checks"),
    ],
)
def test_mistakes_are_named_where_they_are(text: str, told: str) -> None:
    """With their place and what to do; never with the secret."""
    found = mistakes(f"security: {{{text}}}")
    assert told in found
    assert "<inline>:1:" in found
    assert "sesame" not in found


def test_a_short_password_is_taken_with_a_word_about_it(caplog: pytest.LogCaptureFixture) -> None:
    """On a laptop it will do."""
    with (
        caplog.at_level(logging.WARNING),
        runner.properties({"security.users.ana": {"password": "sesame", "roles": ["reader"]}}).run(),
    ):
        (line,) = [record.getMessage() for record in caplog.records]
    assert "'ana' has fewer than 8 characters" in line
    assert "sesame" not in line


def test_the_conditions_report_counts_users_and_names_none() -> None:
    """Why security is on, without what is behind it."""
    text = "security: {users: {hidden-name: {password: sesame-open, roles: [admin]}}}"
    report = runner.yaml(text).prepare().conditions.to_text()
    assert "found 1 of security.users" in report
    assert "sesame" not in report


def test_an_applications_own_table_of_doors_wins() -> None:
    """As any component does."""
    own = Doors()
    with runner.sources(own).run() as context:
        assert context[Doors] is own
