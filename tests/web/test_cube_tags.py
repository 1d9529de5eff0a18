"""Who holds the newest answer already is told so, without asking the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app_framework.boot import ApplicationContext
from app_framework.database import Database, Insert, Table
from app_framework.olap import Cube, CubeDefinition
from app_framework.olap.fingerprint import fingerprint
from app_framework.testing import Client
from tests.web.test_cubes import ARROW, QUERY, client, context

__all__ = ["client", "context"]

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: Client) -> Ask:
    """Ask, with the tags that the client has."""

    def asked(question: dict[str, Any] = QUERY, *tags: str, accept: str = "application/json") -> Any:
        headers = {"Accept": accept, **({"If-None-Match": ", ".join(tags)} if tags else {})}
        return client.post("/cubes/sales/query", json=question, headers=headers)

    return asked


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that must not be asked."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the database was asked")

    for name in ("submit", "submit_job", "submit_stream"):
        monkeypatch.setattr(Database, name, refuse)


def test_an_answer_has_a_tag_that_names_it(ask: Ask) -> None:
    """The same for the same question, however it is written; another for another one, or another form."""
    tag = ask().headers["etag"]
    assert (tag[0], tag[-1], ask().headers["etag"]) == ('"', '"', tag)
    written = {**QUERY, "where": {}, "order": [], "offset": 0, "limit": None, "timeout": "10s"}
    assert ask(written).headers["etag"] == tag
    others = [
        ask(accept="text/csv"),
        ask(accept=ARROW),
        ask({**QUERY, "totals": "none"}),
        ask({**QUERY, "levels": ["day", "city"]}),
        ask({**QUERY, "where": {"city": "Oslo"}}),
    ]
    assert len({tag, *(answer.headers["etag"] for answer in others)}) == 6
    assert ask().headers["cache-control"] == "no-cache"
    assert "Accept" in ask().headers["vary"]


@pytest.mark.parametrize("accept", ["application/json", "text/csv", ARROW])
def test_a_client_with_the_tag_gets_304_and_the_database_rests(
    ask: Ask, accept: str, request: pytest.FixtureRequest
) -> None:
    """Alone, among others, or as a weak one."""
    tag = ask(accept=accept).headers["etag"]
    request.getfixturevalue("at_rest")
    for tags in ((tag,), ('"other"', tag), (f"W/{tag}",)):
        answer = ask(QUERY, *tags, accept=accept)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


def test_new_data_is_a_new_answer(ask: Ask, context: ApplicationContext) -> None:
    """The tag of the version before does not help."""
    tag = ask().headers["etag"]
    context[Database].commit([Insert("sales", [{"city": "Lima", "amount": 1}])])
    answer = ask(QUERY, tag)
    assert (answer.status_code, answer.headers["etag"] == tag) == (200, False)


def test_a_version_that_is_gone_is_gone_for_a_client_that_holds_it_too(ask: Ask, context: ApplicationContext) -> None:
    """As long as it is kept, naming it makes no difference."""
    database = context[Database]
    tag, version = ask().headers["etag"], database.version
    assert ask({**QUERY, "version": version}, tag).status_code == 304
    while version in database.versions:
        assert ask({**QUERY, "version": version}, tag).status_code == 304
        database.commit([Insert("sales", [{"city": "Lima", "amount": 1}])])
    assert ask({**QUERY, "version": version}, tag).status_code == 410


def test_discovery_and_members_have_tags_too(client: Client, request: pytest.FixtureRequest) -> None:
    """Of the model; members also of the data."""
    paths = ["/cubes", "/cubes/sales", "/cubes/sales/members?level=city", "/cubes/sales/members?level=city&limit=1"]
    tags = [client.get(path).headers["etag"] for path in paths]
    assert len(set(tags)) == 4
    request.getfixturevalue("at_rest")
    for path, tag in zip(paths, tags, strict=True):
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_model_that_differs_in_anything_has_another_fingerprint() -> None:
    """A filter, a type or a format; the same model has the same one in every process."""

    def of(measure: dict[str, object], columns: dict[str, str], level: str = "x") -> str:
        with Database.open(tables=[Table("t", columns=columns)]) as database:
            definition = CubeDefinition.of(
                "c", base="t", dimensions={"X": {"levels": {"x": level}}}, measures={"n": measure}
            )
            cube = Cube.of(definition, database)
            assert cube.fingerprint == fingerprint(cube.model)
            return cube.fingerprint

    plain = of({"sum": "y"}, {"x": "bigint", "y": "bigint"})
    assert of({"sum": "y"}, {"x": "bigint", "y": "bigint"}) == plain
    assert plain not in {
        of({"sum": "y", "format": "0"}, {"x": "bigint", "y": "bigint"}),
        of({"sum": "y + 1"}, {"x": "bigint", "y": "bigint"}),
        of({"max": "y"}, {"x": "bigint", "y": "bigint"}),
        of({"sum": "y"}, {"x": "integer", "y": "bigint"}),
        of({"sum": "y"}, {"x": "bigint", "y": "bigint"}, "x + 1"),
    }
