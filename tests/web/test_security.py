"""Nobody comes in without credentials once there are users, by any door; and what was refused is written down."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus

from app_framework.olap import Manager
from app_framework.security import Authenticator, PasswordHash, Principal, UnauthenticatedError
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.security.password import QUICK
from app_framework.security.properties import SecurityProperties
from app_framework.testing import AsyncClient, Client, ContextRunner
from app_framework.web import WebApp, principal_of

TOKEN = "0123456789abcdef0123"
ADMIN, ANA, BOB = ("admin", "admin's password"), ("ana", "ana's password"), ("bob", "bob's pässword")

router = APIRouter()


@router.get("/whoami")
async def whoami(request: Request) -> str:
    principal = principal_of(request)
    return principal.name if principal else "nobody"


@router.post("/notes")
async def add_note() -> str:
    return "written"


@router.post("/refuses/{status}")
async def refuses(status: int) -> None:
    raise HTTPException(status)


@router.websocket("/talk")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    principal = principal_of(websocket)
    await websocket.send_text(principal.name if principal else "nobody")
    await websocket.close()


@pytest.fixture(scope="module")
def users() -> dict[str, object]:
    """An admin whose password is plain, a reader and a writer with hashes, and a token of a reader."""
    kept = {name: str(PasswordHash.of(password, QUICK)) for name, password in (ANA, BOB)}
    return {
        "security.users.admin": {"password": ADMIN[1], "roles": ["admin"]},
        "security.users.ana": {"password": kept["ana"], "roles": ["reader"]},
        "security.users.bob": {"password": kept["bob"], "roles": ["writer"]},
        "security.tokens.ci": {"token": TOKEN, "roles": ["reader"]},
    }


@pytest.fixture
def secured(web: ContextRunner, users: dict[str, object]) -> ContextRunner:
    """An application with users that answers in the process only."""
    return web.auto(SecurityAutoConfiguration).sources(router).properties(users)


@pytest.fixture
def secured_listening(listening: ContextRunner, users: dict[str, object]) -> ContextRunner:
    """The same on a port."""
    return listening.auto(SecurityAutoConfiguration).sources(router).properties(users)


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the audit says."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("app_framework.audit")
    logger.addHandler(handler)
    with caplog.at_level(logging.INFO, logger.name):
        yield lines
    logger.removeHandler(handler)


@pytest.mark.parametrize("path", ["/cubes", "/studio", "/", "/docs", "/openapi.json", "/assets/studio.css", "/nothing"])
def test_every_door_asks_who_is_there(secured: ContextRunner, path: str) -> None:
    """Also the one that does not exist: a stranger does not learn what does."""
    with secured.run() as context, Client(context) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == 'Basic realm="app-framework", charset="UTF-8", Bearer'
        assert answer.json()["errors"][0]["field"] == "Authorization"
        assert client.post(path).status_code == 401
        assert client.get(path, auth=ANA).status_code in {200, 307, 404}


def test_no_route_of_the_whole_node_is_forgotten(secured: ContextRunner) -> None:
    """Every route that is there answers a stranger with 401, but for health, the probes and the nodes' own door."""
    everything = {
        "management.endpoints.web.exposure.include": "*",
        "management.endpoint.health.probes.add-additional-paths": True,
    }
    found: dict[int, set[str]] = {}
    with secured.sources(Manager([])).properties(everything).run() as context, Client(context) as client:
        for route in context[WebApp].mappings:
            for method in set(route.methods or ("GET",)) - {"HEAD"}:
                path = re.sub(r"{\w+(:path)?}", "x", route.pattern)
                found.setdefault(client.request(method, path).status_code, set()).add(f"{method} {route.pattern}")
    closed = found.pop(401)
    assert len(closed) > 30
    opened = {each for doors in found.values() for each in doors}
    assert opened == {
        "GET /actuator/health",
        "GET /actuator/health/{path}",
        "GET /livez",
        "GET /readyz",
        "POST /api/cluster/peer/{door}",
    }


def test_users_and_tokens_come_in(secured: ContextRunner) -> None:
    """By Basic and by bearer; the handler knows who it is."""
    with secured.run() as context:
        for auth, name in ((ADMIN, "admin"), (ANA, "ana"), (BOB, "bob")):
            assert Client(context, auth=auth).get("/whoami").json() == name
        assert Client(context, token=TOKEN).get("/whoami").json() == "ci"


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic YW5hOndyb25n",
        "Basic bm9ib2R5Ong=",
        "Basic YW5h",
        "Basic !!!",
        "Basic",
        "Basic " + "A" * 5000,
        "Bearer wrong",
        "Bearer",
        "Digest username=ana",
        "",
    ],
)
def test_wrong_credentials_stay_outside(secured: ContextRunner, authorization: str) -> None:
    """Whatever is wrong with them, the answer does not say which part, nor repeat it."""
    with secured.run() as context, Client(context) as client:
        answer = client.get("/whoami", headers={"Authorization": authorization})
        assert answer.status_code == 401
        assert "wrong name or password" in answer.text or "unknown token" in answer.text or "cannot be" in answer.text
        assert "YW5h" not in answer.text


def test_a_user_without_the_role_is_told_which_one_is_missing(secured: ContextRunner) -> None:
    """403 names it, in words and as a fact."""
    with secured.run() as context, Client(context, auth=ANA) as client:
        answer = client.post("/notes")
        assert (answer.status_code, answer.json()["code"], answer.json()["needs"]) == (403, "FORBIDDEN", "writer")
        assert answer.json()["detail"] == "POST /notes needs the role 'writer', and 'ana' has reader"
        assert client.post("/api/cluster/register").json()["needs"] == "admin"
        assert client.get("/actuator/env").json()["needs"] == "admin"


def test_a_role_includes_those_below_it(secured: ContextRunner) -> None:
    """A writer reads, an admin writes."""
    with secured.run() as context:
        for auth, writes in ((ANA, 403), (BOB, 200), (ADMIN, 200)):
            client = Client(context, auth=auth)
            assert (client.get("/whoami").status_code, client.post("/notes").status_code) == (200, writes)
        assert Client(context, auth=ADMIN).post("/api/cluster/register", content=b"{}").status_code == 400
        assert Client(context, auth=BOB).post("/api/cluster/register", content=b"{}").status_code == 403


def test_a_reader_may_ask_cubes(secured: ContextRunner) -> None:
    """Questions are posted, but they change nothing."""
    with secured.sources(Manager([])).run() as context, Client(context, auth=ANA) as client:
        for path in ("/cubes/x/query", "/cubes/x/explain"):
            assert client.post(path, content=b"{}").json()["code"] == "UNKNOWN_CUBE"
        assert client.post("/cubes/x/distribution/stop").status_code == 403


def test_health_is_open_and_shows_more_to_whom_it_may(secured: ContextRunner) -> None:
    """`when-authorized`, with and without roles; wrong credentials are wrong here too."""
    health = "management.endpoint.health"
    shown = secured.properties({f"{health}.show-details": "when-authorized", f"{health}.roles": ["writer"]})
    with shown.run() as context, Client(context) as client:
        assert "components" not in client.get("/actuator/health").json()
        assert "components" not in client.get("/actuator/health", auth=ANA).json()
        assert "components" in client.get("/actuator/health", auth=BOB).json()
        assert "components" in client.get("/actuator/health", auth=ADMIN).json()
        assert client.get("/actuator/health/liveness").status_code == 200
        assert client.get("/actuator/health", auth=("ana", "wrong")).status_code == 401


def test_the_other_endpoints_are_for_admins(secured: ContextRunner) -> None:
    """All but health and info, wherever the actuator is."""
    everything = {"management.endpoints.web.exposure.include": "*"}
    for base in ("/actuator", "/manage/it", ""):
        runner = secured.properties({**everything, "management.endpoints.web.base-path": base})
        with runner.run() as context, Client(context) as client:
            for name in ("env", "beans", "loggers/root", "prometheus"):
                found = [client.get(f"{base}/{name}", auth=auth).status_code for auth in (BOB, ADMIN)]
                assert found == [403, 200], (base, name)
            assert client.get(f"{base}/info", auth=ANA).status_code == 200
            assert client.get(f"{base}/health").status_code == 200


def test_an_application_says_what_its_own_doors_need(secured: ContextRunner) -> None:
    """`security.doors`; the first that fits counts, before the built-in table."""
    doors = [
        {"path": "/notes", "methods": ["POST"], "role": "reader"},
        {"path": "/whoami/**", "role": "anyone"},
        {"path": "/actuator/info", "role": "anyone"},
    ]
    include = {"management.endpoints.web.exposure.include": "*"}
    with secured.properties({"security.doors": doors, **include}).run() as context, Client(context) as client:
        assert client.post("/notes", auth=ANA).status_code == 200
        assert client.post("/notes").status_code == 401
        assert client.get("/whoami").json() == "nobody"
        assert client.get("/whoami", auth=ANA).json() == "ana"
        assert client.get("/actuator/info").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/cluster/stop",
        "/api/cluster/stop/",
        "/api/cluster/stop%0A",
        "/api//cluster/stop",
        "/api/cluster/../cluster/stop",
    ],
)
def test_no_spelling_of_a_path_leads_around_the_gate(secured: ContextRunner, path: str) -> None:
    """What a router would take for an admin's door is one; what it would not take is nothing."""
    with secured.run() as context, Client(context, auth=BOB, follow_redirects=True) as client:
        assert client.request("POST", path, content=b"{}").status_code in {403, 404, 405}


def test_below_the_path_of_an_outer_application_the_table_holds(secured: ContextRunner) -> None:
    """Mounted at `/inner`, an admin's door is still one."""

    async def ask() -> list[int]:
        async with secured.start() as context:
            outer = FastAPI()
            outer.mount("/inner", context[WebApp])
            transport = httpx.ASGITransport(outer)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", auth=BOB) as client:
                found = [await client.post(path) for path in ("/inner/api/cluster/stop", "/inner/notes")]
                return [answer.status_code for answer in found]

    assert asyncio.run(ask()) == [403, 200]


def test_a_foreign_page_is_refused_whoever_the_browser_is_logged_in_as(secured: ContextRunner) -> None:
    """Browsers send Basic credentials along with whatever a page does."""
    with secured.run() as context, Client(context, auth=ADMIN) as client:
        answer = client.post("/notes", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "Origin")


def test_a_browser_that_opens_with_many_requests_costs_one_check(secured: ContextRunner) -> None:
    """The bound on checks counts passwords, not requests."""

    async def ask() -> set[int]:
        async with secured.properties({"security.max-checks": 1}).start() as context:
            client = AsyncClient(context, auth=ANA)
            answers = await asyncio.gather(*(client.get("/whoami") for _ in range(20)))
            return {answer.status_code for answer in answers}

    assert asyncio.run(ask()) == {200}


def test_a_storm_of_guesses_is_bounded_and_leaves_the_node_to_those_it_knows(secured: ContextRunner) -> None:
    """Further guesses answer 429 and name the property; who was known before is served."""

    async def ask() -> tuple[set[int], int, str]:
        async with secured.properties({"security.max-checks": 2}).start() as context:
            client = AsyncClient(context)
            assert (await client.get("/whoami", auth=ANA)).status_code == 200
            guesses = [client.get("/whoami", auth=("ana", f"guess {n}")) for n in range(20)]
            *wrong, known = await asyncio.gather(*guesses, client.get("/whoami", auth=ANA))
            refused = next(answer for answer in wrong if answer.status_code == 429)
            return {answer.status_code for answer in wrong}, known.status_code, refused.text

    statuses, known, text = asyncio.run(ask())
    assert (statuses, known) == ({401, 429}, 200)
    assert "security.max-checks" in text


def test_an_application_may_know_its_users_otherwise(web: ContextRunner) -> None:
    """Its own `Authenticator` takes the place of ours, and secures the node as well."""

    class Badges(Authenticator):
        async def authenticate(self, authorization: bytes) -> Principal:
            if authorization != b"Badge 7":
                raise UnauthenticatedError("no badge")
            return Principal.of("seven", ["writer"])

    with web.auto(SecurityAutoConfiguration).sources(router, Badges()).run() as context, Client(context) as client:
        assert client.get("/whoami").status_code == 401
        assert client.get("/whoami", headers={"Authorization": "Badge 7"}).json() == "seven"
        assert client.get("/cubes", headers={"Authorization": "Badge 8"}).status_code == 401


def test_without_users_nothing_changes(web: ContextRunner) -> None:
    """Off until configured: no credentials are asked for, and those that are sent are not looked at."""
    with web.auto(SecurityAutoConfiguration).sources(router).run() as context, Client(context, auth=ANA) as client:
        assert client.get("/whoami").json() == "nobody"
        assert client.post("/notes").status_code == 200
        assert "www-authenticate" not in client.post("/refuses/401").headers  # an application may log in otherwise


def test_every_refusal_is_a_line_in_the_audit(secured: ContextRunner, audit: list[str]) -> None:
    """Who, from where, what, and why; a name only when there is such a user, and never a secret."""
    with secured.run() as context, Client(context) as client:
        client.get("/cubes?token=hunter2")
        client.get("/cubes", auth=("ana", "hunter2"))
        client.get("/cubes", auth=("hunter2", "x"))
        client.get("/cubes", headers={"Authorization": "Bearer hunter2"})
        client.post("/notes", auth=ANA)
        client.post("/notes", auth=ADMIN, headers={"Origin": "https://evil.example"})
        client.post("/refuses/403", auth=BOB)
    assert [line.partition(" reason=")[0] for line in audit] == [
        "refused user=- from=127.0.0.1 method=GET path=/cubes status=401",
        "refused user=ana from=127.0.0.1 method=GET path=/cubes status=401",
        "refused user=- from=127.0.0.1 method=GET path=/cubes status=401",
        "refused user=- from=127.0.0.1 method=GET path=/cubes status=401",
        "refused user=ana from=127.0.0.1 method=POST path=/notes status=403",
        "refused user=- from=127.0.0.1 method=POST path=/notes status=403",
        "refused user=bob from=127.0.0.1 method=POST path=/refuses/403 status=403",
    ]
    assert all(" reason=" in line for line in audit)
    assert "hunter2" not in "".join(audit)


def test_what_administers_is_a_line_in_the_audit(secured: ContextRunner, audit: list[str]) -> None:
    """With its outcome; what only reads is not."""
    properties = {"management.endpoints.web.exposure.include": "*"}
    with secured.properties(properties).run() as context, Client(context, auth=ADMIN) as client:
        client.post("/actuator/loggers/some.logger", json={"configuredLevel": "debug"})
        client.post("/api/cluster/register", content=b"not json")
        client.get("/actuator/env")
        client.post("/notes")
    assert audit == [
        "administered user=admin from=127.0.0.1 method=POST path=/actuator/loggers/some.logger status=204",
        "administered user=admin from=127.0.0.1 method=POST path=/api/cluster/register status=400",
    ]


def test_without_users_the_audit_is_kept_too(web: ContextRunner, audit: list[str]) -> None:
    """Foreign pages, and whoever administers from this machine."""
    with web.run() as context, Client(context) as client:
        client.post("/nothing", headers={"Origin": "https://evil.example"})
        client.post("/api/cluster/deregister", content=b"x")
    assert [line[:14] for line in audit] == ["refused user=-", "administered u"]


def test_a_path_cannot_forge_a_line_of_the_audit(secured: ContextRunner, audit: list[str]) -> None:
    """It is written as it came over the wire."""
    with secured.run() as context, Client(context) as client:
        client.get("/x%0Arefused user=admin")
    (line,) = audit
    assert "\n" not in line
    assert "path=/x%0Arefused%20user=admin" in line


def test_the_documentation_says_who_may(secured: ContextRunner) -> None:
    """Schemes, 401 and 403 with the role on each route, and which are open."""
    with secured.sources(Manager([])).run() as context, Client(context, auth=ANA) as client:
        schema = client.get("/openapi.json").json()
    assert {each["scheme"] for each in schema["components"]["securitySchemes"].values()} == {"basic", "bearer"}
    assert schema["security"] == [{"basic": []}, {"bearer": []}]
    asked = schema["paths"]["/cubes/{cube}/query"]["post"]
    assert asked["responses"]["403"]["description"].endswith("without the role `reader`")
    assert "401" in asked["responses"]
    assert "`admin`" in schema["paths"]["/api/cluster/register"]["post"]["responses"]["403"]["description"]
    health = schema["paths"]["/actuator/health"]["get"]
    assert {} in health["security"]
    assert "401" not in health["responses"]


def test_without_users_the_documentation_knows_no_schemes(web: ContextRunner) -> None:
    """Nothing to log in to."""
    with web.run() as context:
        schema = Client(context).get("/openapi.json").json()
    assert "security" not in schema
    assert "securitySchemes" not in schema["components"]


def test_a_secured_node_listens_where_it_is_told(
    secured_listening: ContextRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond loopback, with a word about what HTTP does not hide."""
    with secured_listening.properties({"server.address": "0.0.0.0"}).run() as context:
        url = context.addresses["http"]
        assert httpx.get(f"{url}/cubes").status_code == 401
        assert httpx.get(f"{url}/whoami", auth=ANA).json() == "ana"
    assert any("TLS" in record.getMessage() for record in caplog.records)


def test_an_unsecured_node_does_not(listening: ContextRunner, caplog: pytest.LogCaptureFixture) -> None:
    """An empty list of users is no security."""
    runner = listening.auto(SecurityAutoConfiguration).yaml(
        "security: {users: {}}\nserver: {address: 0.0.0.0, port: 0}"
    )
    with runner.run() as context:
        assert context.addresses["http"].startswith("http://127.0.0.1:")
    assert any("security.users" in record.getMessage() for record in caplog.records)


def test_a_websocket_is_refused_before_it_opens(secured_listening: ContextRunner, audit: list[str]) -> None:
    """With the same answers as a request: 401 with the ways to log in, 403 with the role."""

    async def refused(url: str, authorization: str | None = None) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": authorization} if authorization else {}
        with pytest.raises(InvalidStatus) as caught:
            async with open_websocket(url, additional_headers=headers, proxy=None):
                pass
        response = caught.value.response
        return response.status_code, {
            **json.loads(response.body),
            "challenge": ", ".join(response.headers.get_all("www-authenticate")) or None,
        }

    with secured_listening.run() as context:
        url = context.addresses["http"].replace("http", "ws") + "/talk"
        status, told = asyncio.run(refused(url))
        assert (status, told["code"]) == (401, "UNAUTHENTICATED")
        assert str(told["challenge"]).startswith("Basic")
        status, told = asyncio.run(refused(url, f"Bearer {TOKEN}"))
        assert (status, told["needs"]) == (403, "writer")
    assert [line.split(" reason")[0].split("from=")[1] for line in audit] == [
        "127.0.0.1 method=WEBSOCKET path=/talk status=401",
        "127.0.0.1 method=WEBSOCKET path=/talk status=403",
    ]


def test_a_websocket_opens_for_whom_it_may(secured_listening: ContextRunner) -> None:
    """The handler knows who it is."""

    async def ask(url: str) -> str | bytes:
        credentials = httpx.BasicAuth(*BOB)
        request = next(credentials.auth_flow(httpx.Request("GET", "http://x")))
        headers = {"Authorization": request.headers["authorization"]}
        async with open_websocket(url, additional_headers=headers, proxy=None) as websocket:
            return await websocket.recv()

    with secured_listening.run() as context:
        assert asyncio.run(ask(context.addresses["http"].replace("http", "ws") + "/talk")) == "bob"


def test_nothing_of_security_stays_behind(secured: ContextRunner) -> None:
    """The threads that check passwords end with the application."""
    with secured.run() as context:
        Client(context, auth=ANA).get("/whoami")
        assert any(thread.name.startswith("check-password") for thread in threading.enumerate())
    assert not any(thread.name.startswith("check-password") for thread in threading.enumerate())


def test_no_output_of_the_node_holds_a_secret(
    secured_listening: ContextRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is exposed and however it is asked, even by an admin: no password, no hash, no token."""
    shown = {
        "management.endpoints.web.exposure.include": "*",
        "management.endpoint.env.show-values": "always",
        "management.endpoint.configprops.show-values": "always",
        "management.endpoint.health.show-details": "always",
    }
    with caplog.at_level(logging.DEBUG), secured_listening.properties(shown).run() as context:
        with httpx.Client(base_url=context.addresses["http"], auth=ADMIN) as client:
            links = client.get("/actuator").json()["_links"]
            paths = [link["href"] for link in links.values() if not link["templated"]]
            texts = [client.get(path).text for path in (*paths, "/studio?format=json", "/openapi.json", "/nothing")]
            texts.append(client.get("/studio", auth=("ana", "wrong")).text)
        texts.append(repr([context.all(kind) for kind in (Authenticator, SecurityProperties)]))
    told = "\n".join([*texts, caplog.text])
    assert len(paths) > 8
    for secret in (ADMIN[1], ANA[1], BOB[1], TOKEN, "scrypt:16384"):
        assert secret not in told


def test_a_client_has_a_password_or_a_token(secured: ContextRunner) -> None:
    """Both would be one too many."""
    with secured.run() as context, pytest.raises(ValueError, match="either"):
        Client(context, auth=ANA, token=TOKEN)
