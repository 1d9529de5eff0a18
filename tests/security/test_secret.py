"""The cluster's secret: keys that no one can guess from each other, and proofs that no one else can make."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot import ConfigProperties, SecretStr, auto_configuration, bean
from app_framework.security import ClusterSecret, SecretTooShortError
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner

SECRET = "correct horse battery staple"


def test_every_node_derives_the_same_key() -> None:
    """The keys follow from secret and purpose alone; a change of this value would split every running cluster."""
    assert ClusterSecret(SECRET).derive("nats/routes").hex() == (
        "fc881f395e4a11a7d236c1b0ae058494c9c74d8095e1d0f1edf6984d147e043b"
    )
    assert ClusterSecret(SECRET) == ClusterSecret(f" {SECRET}\n") == ClusterSecret(SECRET.encode())
    assert len({ClusterSecret(SECRET), ClusterSecret(SECRET), ClusterSecret(SECRET + "!")}) == 2


def test_the_derivation_is_hkdf_with_sha256() -> None:
    """RFC 5869, written out for two blocks."""
    prk = hmac.digest(b"app-framework/cluster/1", SECRET.encode(), hashlib.sha256)
    first = hmac.digest(prk, b"route\x01", hashlib.sha256)
    second = hmac.digest(prk, first + b"route\x02", hashlib.sha256)
    assert ClusterSecret(SECRET).derive("route", 48) == (first + second)[:48]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=5, unique=True))
def test_each_purpose_has_a_key_of_its_own(purposes: list[str]) -> None:
    """And none of them is the secret."""
    keys = {ClusterSecret(SECRET).derive(purpose) for purpose in purposes}
    assert len(keys) == len(purposes)
    assert SECRET.encode() not in keys


@given(st.binary(), st.text(min_size=1))
def test_a_proof_holds_for_its_payload_and_purpose_only(payload: bytes, purpose: str) -> None:
    """Anything else is refused: another payload, purpose, secret, a damaged proof."""
    ours, theirs = ClusterSecret(SECRET), ClusterSecret(SECRET + "!")
    proof = ours.proof(purpose, payload)
    assert ours.verify(purpose, payload, proof)
    assert not ours.verify(purpose, payload + b"x", proof)
    assert not ours.verify(purpose + "x", payload, proof)
    assert not theirs.verify(purpose, payload, proof)
    assert not any(ours.verify(purpose, payload, wrong) for wrong in ("", proof[:-1], proof + "=", "ü", "\udc80"))


def test_a_key_that_was_given_out_makes_no_proofs() -> None:
    """`derive` is for other programs; proofs have a key that is never handed out."""
    ours = ClusterSecret(SECRET)
    assert ours.proof("peer", b"x") != ClusterSecret(ours.derive("peer")).proof("peer", b"x")
    assert hmac.digest(ours.derive("peer"), b"x", hashlib.sha256).hex() not in ours.proof("peer", b"x")


@pytest.mark.parametrize("secret", ["", "short", "x" * 15, f"   {'x' * 15}   "])
def test_a_secret_that_could_be_guessed_is_refused_with_advice(secret: str) -> None:
    """The error says what to do, and never the secret."""
    with pytest.raises(SecretTooShortError) as caught:
        ClusterSecret(secret)
    assert "cluster.secret" in str(caught.value)
    assert "at least 16" in str(caught.value)
    assert "af security secret" in str(caught.value)
    assert not secret.strip() or secret.strip() not in str(caught.value)


def test_what_cannot_be_derived_is_a_programmers_mistake() -> None:
    """No purpose, no bytes, more than HKDF gives."""
    for purpose, length in (("", 32), ("x", 0), ("x", 255 * 32 + 1)):
        with pytest.raises(ValueError, match="a key needs a purpose"):
            ClusterSecret(SECRET).derive(purpose, length)


def test_it_never_shows_itself() -> None:
    """In a REPL, a log line, a traceback with locals."""
    assert SECRET not in repr(ClusterSecret(SECRET))
    assert repr(ClusterSecret(SECRET)) == "<ClusterSecret>"


class MemberProperties(ConfigProperties, prefix="cluster"):
    """What a member of a cluster is told."""

    secret: SecretStr


@auto_configuration(properties=[MemberProperties])
class MemberAutoConfiguration:
    """Makes a node a member."""

    @bean
    def secret(self, properties: MemberProperties) -> ClusterSecret:
        """What it shares with the others."""
        return ClusterSecret(properties.secret.get_secret_value())


def test_a_start_with_a_short_secret_is_explained() -> None:
    """Where it was set and what to do; the secret itself is not repeated."""
    runner = ContextRunner(auto=[SecurityAutoConfiguration, MemberAutoConfiguration])
    failure = runner.yaml("cluster: {secret: sesame}").fails()
    assert failure.description.startswith("<inline>:1:19: cluster.secret has 6 bytes, at least 16")
    assert "af security secret" in failure.action
    assert "sesame" not in failure.description + failure.action
