"""The registry: which endpoints are exposed, with which access, and what an answer may hold."""

from __future__ import annotations

import asyncio

import pytest

from app_framework.boot.actuator import (
    Access,
    AccessRules,
    Endpoint,
    EndpointError,
    EndpointRegistry,
    EndpointRequest,
    EndpointResponse,
    Exposure,
    InvalidBodyError,
    Show,
    UnknownNameError,
    WriteRefusedError,
)
from app_framework.boot.actuator.registry import DuplicateEndpointError
from app_framework.boot.management.redaction import Redactor


class Note(Endpoint):
    """Keeps one text, and tells it."""

    id = "note"
    selectors = "name"
    writable = True

    def __init__(self, text: str = "") -> None:
        self.text = text

    def read(self, request: EndpointRequest) -> EndpointResponse:
        return EndpointResponse({"text": self.text, "of": request.selector})

    async def write(self, request: EndpointRequest) -> EndpointResponse:
        self.text = str(request.body)
        return EndpointResponse(status=204)


class Health(Endpoint):
    """Nothing may follow its id."""

    id = "health"

    def read(self, request: EndpointRequest) -> EndpointResponse:
        return EndpointResponse({"status": "UP"})


def registry(
    include: tuple[str, ...] = ("*",), access: AccessRules | None = None, secrets: tuple[str, ...] = ()
) -> EndpointRegistry:
    note = Note("it is canary-1")
    return EndpointRegistry([note, Health()], exposure=Exposure(include), access=access, redactor=Redactor(secrets))


def read(registry: EndpointRegistry, id: str, selector: str | None = None) -> EndpointResponse:  # noqa: A002
    return asyncio.run(registry.read(id, EndpointRequest(selector)))


def test_only_health_is_exposed_unless_configured() -> None:
    """As in Spring Boot; the others exist but are not found."""
    plain = EndpointRegistry([Note(), Health()])
    assert [endpoint.id for endpoint in plain.exposed] == ["health"]
    with pytest.raises(UnknownNameError, match="there is no endpoint 'note'"):
        read(plain, "note")


def test_an_exclusion_wins() -> None:
    """Over the star as well."""
    exposure = Exposure(include=("*", "note"), exclude=("note",))
    assert not exposure.exposes("note")
    assert exposure.exposes("health")


def test_an_unknown_endpoint_names_the_near_ones_that_are_exposed() -> None:
    """And no other: a caller does not learn what is hidden."""
    with pytest.raises(EndpointError) as caught:
        read(registry(include=("health",)), "heath")
    assert (caught.value.status, caught.value.code, caught.value.near) == (404, "NOT_FOUND", ("health",))


def test_nothing_follows_an_id_that_takes_nothing() -> None:
    """``/actuator/health/x`` is not ``/actuator/health``."""
    with pytest.raises(UnknownNameError):
        read(registry(), "health", "x")


@pytest.mark.parametrize(
    ("rules", "exposed", "writable"),
    [
        (AccessRules(), True, True),
        (AccessRules(default=Access.READ_ONLY), True, False),
        (AccessRules(by_id={"note": Access.NONE}), False, False),
        (AccessRules(default=Access.NONE, by_id={"note": Access.UNRESTRICTED}), True, True),
        (AccessRules(max_permitted=Access.READ_ONLY, by_id={"note": Access.UNRESTRICTED}), True, False),
    ],
)
def test_access_says_what_may_be_done(rules: AccessRules, exposed: bool, writable: bool) -> None:
    """Each endpoint's own access, or the default, capped."""
    found = registry(access=rules)
    assert ("note" in [endpoint.id for endpoint in found.exposed], found.can_write("note")) == (exposed, writable)


def test_a_write_is_done_or_refused_by_access() -> None:
    """405, and the property that says so."""
    open_one, closed = registry(), registry(access=AccessRules(default=Access.READ_ONLY))
    assert asyncio.run(open_one.write("note", EndpointRequest(body="new"))).status == 204
    assert read(open_one, "note").body == {"text": "new", "of": None}
    with pytest.raises(WriteRefusedError, match=r"management\.endpoint\.note\.access") as caught:
        asyncio.run(closed.write("note", EndpointRequest(body="new")))
    assert caught.value.status == 405


def test_no_answer_holds_a_known_secret() -> None:
    """FA9: whatever an endpoint does."""
    assert read(registry(secrets=("canary-1",)), "note").body == {"text": "it is ******", "of": None}


def test_the_discovery_page_links_what_is_exposed() -> None:
    """With a template where something may be selected."""
    links = registry().links("http://host/actuator/").body
    assert links == {
        "_links": {
            "self": {"href": "http://host/actuator", "templated": False},
            "health": {"href": "http://host/actuator/health", "templated": False},
            "note": {"href": "http://host/actuator/note", "templated": False},
            "note-name": {"href": "http://host/actuator/note/{name}", "templated": True},
        }
    }


def test_two_endpoints_cannot_share_an_id() -> None:
    """Else one would be silently unreachable."""
    with pytest.raises(DuplicateEndpointError, match="'note'"):
        EndpointRegistry([Note(), Note()])


@pytest.mark.parametrize(("given", "base"), [("/actuator", "/actuator"), ("manage/", "/manage"), ("/", ""), ("", "")])
def test_the_base_path_is_normal(given: str, base: str) -> None:
    """Whatever slashes are written."""
    assert EndpointRegistry([], base_path=given).base_path == base


@pytest.mark.parametrize(
    ("show", "needed", "roles", "seen"),
    [
        (Show.NEVER, set(), {"admin"}, False),
        (Show.ALWAYS, {"admin"}, None, True),
        (Show.WHEN_AUTHORIZED, set(), None, False),
        (Show.WHEN_AUTHORIZED, set(), set(), True),
        (Show.WHEN_AUTHORIZED, {"admin"}, {"reader"}, False),
        (Show.WHEN_AUTHORIZED, {"admin", "operator"}, {"admin"}, True),
    ],
)
def test_who_is_authorized(show: Show, needed: set[str], roles: set[str] | None, seen: bool) -> None:
    """Signed in, with any of the roles if some are needed."""
    request = EndpointRequest(roles=None if roles is None else frozenset(roles))
    assert request.may_see(show, frozenset(needed)) is seen


def test_a_body_that_makes_no_sense_is_the_callers_mistake() -> None:
    """400 with the code of the contract."""
    assert (InvalidBodyError.status, InvalidBodyError.code) == (400, "INVALID_REQUEST")
