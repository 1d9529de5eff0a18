"""`/cubes`: discovery and queries over HTTP, on real cubes over a real database."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_framework.boot import ApplicationContext
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import Manager
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import AsyncClient, Client, ContextRunner
from app_framework.web import encoding
from app_framework.web.answer_cache import AnswerCache
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.routes import cubes

ROWS = """day,at,city,amount,price,weight
2013-01-01,2013-01-01T05:00:00Z,Oslo,3,1.50,0.5
2013-01-01,2013-01-01T06:30:00Z,Rome,5,2.25,NaN
2013-01-02,2013-01-02T07:00:00Z,,7,0.10,2.5
"""
MODEL = """
database:
  tables:
    sales:
      source: {csv: sales.csv}
      columns: {day: date, at: timestamptz, city: string, amount: bigint, price: "decimal(15,2)", weight: double}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        dimensions: {Place: [city], Day: [day], Moment: [at]}
        measures:
          lines: {count: "*"}
          amount: {sum: amount}
          price: {sum: price}
          weight: {max: weight}
"""
QUERY = {"measures": ["lines", "price"], "levels": ["city", "day"], "totals": "grand"}
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationContext]:
    """A running node with one small cube."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    with ContextRunner(auto).directory(folder).properties({"server.enabled": False}).run() as context:
        yield context


@pytest.fixture(scope="module")
def client(context: ApplicationContext) -> Iterator[Client]:
    with Client(context) as client:
        yield client


def test_discovery_lists_catalogs_and_cubes(client: Client) -> None:
    """What there is to ask."""
    (catalog,) = client.get("/cubes").json()["catalogs"]
    assert [cube["name"] for cube in catalog["cubes"]] == ["sales"]
    cube = client.get("/cubes/sales").json()
    assert [measure["name"] for measure in cube["measures"]] == ["lines", "amount", "price", "weight"]
    assert cube["dimensions"][1]["hierarchies"][0]["levels"][0]["type"] == "date"


def test_an_answer_has_the_shape_of_the_contract(client: Client) -> None:
    """Columns, rows, grouping; a missing member is null with its bit clear, a total null with its bits set."""
    answer = client.post("/cubes/sales/query", json=QUERY)
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.text, parse_float=str)
    assert told["columns"] == [
        {"name": "city", "role": "level", "type": "string"},
        {"name": "day", "role": "level", "type": "date"},
        {"name": "lines", "role": "measure", "type": "int64", "format": None},
        {"name": "price", "role": "measure", "type": "decimal(38,2)", "format": None},
    ]
    assert told["rows"] == [
        ["Oslo", "2013-01-01", 1, "1.50"],
        ["Rome", "2013-01-01", 1, "2.25"],
        [None, "2013-01-02", 1, "0.10"],
        [None, None, 3, "3.85"],
    ]
    assert (told["cube"], told["grouping"], told["partial"]) == ("sales", [0, 0, 0, 3], False)
    assert set(told) == {"cube", "columns", "rows", "grouping", "versions", "partial", "elapsed_ms"}


def test_instants_end_in_z_and_nan_is_null(client: Client) -> None:
    """JSON has no NaN, and no zones but one."""
    rows = client.post("/cubes/sales/query", json={"measures": ["weight"], "levels": ["at"]}).json()["rows"]
    assert rows[:2] == [["2013-01-01T05:00:00Z", 0.5], ["2013-01-01T06:30:00Z", None]]


def test_arrow_is_the_same_answer(client: Client) -> None:
    """Typed columns, grouping last, cube and versions as metadata and as headers."""
    answer = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert answer.headers["content-type"] == ARROW
    assert table.column_names == ["city", "day", "lines", "price", "grouping"]
    assert str(table.schema.field("price").type) == "decimal128(38, 2)"
    assert table.column("lines").to_pylist() == [1, 1, 1, 3]
    assert table.column("grouping").to_pylist() == [0, 0, 0, 3]
    assert (answer.headers["x-cube"], answer.headers["x-partial"]) == ("sales", "false")
    assert json.loads(answer.headers["x-versions"]) == json.loads(table.schema.metadata[b"versions"])


def test_csv_is_the_same_answer(client: Client) -> None:
    """A missing member is N/A, a rolled-up cell empty."""
    answer = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["city", "day", "lines", "price", "grouping"],
        ["Oslo", "2013-01-01", "1", "1.50", "0"],
        ["Rome", "2013-01-01", "1", "2.25", "0"],
        ["N/A", "2013-01-02", "1", "0.10", "0"],
        ["", "", "3", "3.85", "3"],
    ]
    assert answer.headers["x-cube"] == "sales"


def test_other_media_types_are_refused_before_anything_is_asked(client: Client) -> None:
    """406 names what is offered."""
    answer = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "NOT_ACCEPTABLE")
    assert ARROW in answer.json()["detail"]


def test_what_is_accepted_may_be_said_in_several_lines(client: Client) -> None:
    """As one list: the best of all of it is answered."""
    headers = [("Accept", "application/json;q=0.1"), ("Accept", "text/csv")]
    assert client.post("/cubes/sales/query", json=QUERY, headers=headers).headers["content-type"].startswith("text/csv")


def test_a_long_answer_is_the_same_in_pieces(
    context: ApplicationContext, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoded bit by bit, so that other requests are served in between."""
    whole = client.post("/cubes/sales/query", json=QUERY).json()
    context[AnswerCache].clear()
    monkeypatch.setattr(cubes, "CHUNK_ROWS", 1)
    monkeypatch.setattr(encoding.stream_answer, "__defaults__", (1,))
    answer = client.post("/cubes/sales/query", json=QUERY)
    assert "content-length" not in answer.headers
    assert {**answer.json(), "elapsed_ms": 0} == {**whole, "elapsed_ms": 0}
    table = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": "text/csv"})
    assert "content-length" not in table.headers
    assert (len(table.text.splitlines()), table.text.splitlines()[-1]) == (5, ",,3,3.85,3")


def test_a_cell_shows_the_rows_it_counts(client: Client) -> None:
    """All columns unless some are named, with the types of the table; the same as JSON, CSV and Arrow."""
    cell = {"coordinates": {"city": None}}
    answer = client.post("/cubes/sales/drillthrough", json=cell)
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.text, parse_float=str)
    assert told["columns"][4:] == [{"name": "price", "type": "decimal(15,2)"}, {"name": "weight", "type": "double"}]
    assert told["rows"] == [["2013-01-02", "2013-01-02T07:00:00Z", None, 7, "0.10", "2.5"]]
    assert (told["cube"], told["count"], list(told)) == ("sales", 1, ["cube", "columns", "count", "versions", "rows"])
    named = {"where": {"city": ["Oslo", "Rome"]}, "columns": ["sales.at", "city"], "limit": 1}
    table = client.post("/cubes/sales/drillthrough", json=named, headers={"Accept": "text/csv"})
    assert table.text == "sales.at,city\r\n2013-01-01T05:00:00Z,Oslo\r\n"
    assert (table.headers["x-cube"], table.headers["x-count"]) == ("sales", "2")
    stream = client.post("/cubes/sales/drillthrough", json=cell, headers={"Accept": ARROW})
    arrow = pa.ipc.open_stream(stream.content).read_all()
    assert [str(field.type) for field in arrow.schema][:2] == ["date32[day]", "timestamp[us, tz=UTC]"]
    assert (arrow.column("amount").to_pylist(), arrow.schema.metadata[b"count"]) == ([7], b"1")
    nothing = client.post(
        "/cubes/sales/drillthrough", json={"coordinates": {"city": "Bonn"}}, headers={"Accept": ARROW}
    )
    assert pa.ipc.open_stream(nothing.content).read_all().num_rows == 0
    assert client.post("/cubes/sales/drillthrough", json={"coordinates": {"city": "Bonn"}}).json()["rows"] == []


def test_a_wrong_drillthrough_is_told_all_its_mistakes(client: Client) -> None:
    wrong = {"coordinates": {"cty": "Oslo"}, "columns": ["prise"], "limit": "x"}
    problem = client.post("/cubes/sales/drillthrough", json=wrong).json()
    assert [(error["field"], error["near"]) for error in problem["errors"]] == [
        ("limit", []),
        ("columns[0]", ["price"]),
        ("coordinates.cty", ["city"]),
    ]
    assert client.post("/cubes/sales/drillthrough", content=b"[").json()["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("method", ["get", "query", "explain", "members", "drillthrough"])
def test_an_unknown_cube_is_404_with_the_near_one(client: Client, method: str) -> None:
    """On every route of a cube, before its query is looked at."""
    if method in ("query", "explain", "drillthrough"):
        answer = client.post(f"/cubes/sale/{method}", json={})
    else:
        answer = client.get("/cubes/sale" if method == "get" else "/cubes/sale/members?level=city")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_CUBE")
    assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["near"]) == ("cube", ["sales"])


def test_fa2_all_wrong_names_of_a_query_are_told_at_once(client: Client) -> None:
    """Each with its field and what was meant."""
    wrong = {"measures": ["line", "price"], "levels": ["cty"], "where": {"dya": "2013-01-01"}}
    problem = client.post("/cubes/sales/query", json=wrong).json()
    assert (problem["status"], problem["code"]) == (400, "INVALID_QUERY")
    assert [(error["code"], error["field"], error["near"][0]) for error in problem["errors"]] == [
        ("UNKNOWN_MEASURE", "measures[0]", "lines"),
        ("UNKNOWN_LEVEL", "levels[0]", "city"),
        ("UNKNOWN_LEVEL", "where.dya", "day"),
    ]


def test_fa2_wrong_shapes_do_not_hide_wrong_names(client: Client) -> None:
    """One round trip tells what is wrong, on both routes that take a query."""
    wrong = {"measures": ["line"], "levels": ["city"], "limit": -1, "order": [{"by": "lines"}]}
    for route in ("query", "explain"):
        problem = client.post(f"/cubes/sales/{route}", json=wrong).json()
        assert [(error["code"], error["field"]) for error in problem["errors"]] == [
            ("INVALID_QUERY", "limit"),
            ("UNKNOWN_MEASURE", "measures[0]"),
        ]
        assert problem["detail"] == "`limit` is a whole number from 0; cube 'sales' has no measure 'line'."


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"measures":["lines"]', b"[" * 5000, b"[]", b"1", b'"x"', b"null"]
)
def test_what_is_no_query_is_an_invalid_request(client: Client, body: bytes) -> None:
    """Not JSON, or not an object."""
    answer = client.post("/cubes/sales/query", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


def test_the_body_is_json_whatever_it_is_called(client: Client) -> None:
    """`curl -d` says it is a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/cubes/sales/query", content=json.dumps(QUERY), headers=headers).status_code == 200


def test_a_query_is_explained(client: Client) -> None:
    """Plan, SQL, nodes, milliseconds."""
    told = client.post("/cubes/sales/explain", json=QUERY).json()
    assert {"plan", "sql", "nodes", "bytes", "elapsed_ms"} <= set(told)
    assert "SELECT" in told["sql"]


def test_members_are_listed(client: Client) -> None:
    """In order, null last, as far as the limit; a wrong level or limit is told."""
    assert client.get("/cubes/sales/members?level=city").json()["members"] == ["Oslo", "Rome", None]
    assert client.get("/cubes/sales/members?level=city&prefix=R&limit=1").json()["members"] == ["Rome"]
    assert client.get("/cubes/sales/members?level=cty").json()["errors"][0]["near"] == ["city"]
    assert client.get("/cubes/sales/members").json()["errors"][0]["field"] == "level"
    assert client.get("/cubes/sales/members?level=city&limit=0").json()["code"] == "INVALID_REQUEST"


def test_the_documentation_describes_queries_and_their_errors(client: Client) -> None:
    """Request, answer by media type, and each problem."""
    operation = client.get("/openapi.json").json()["paths"]["/cubes/{cube}/query"]["post"]
    assert operation["operationId"] == "queryCube"
    assert operation["requestBody"]["content"]["application/json"]["schema"]["required"] == ["measures"]
    assert {"application/json", ARROW, "text/csv"} == set(operation["responses"]["200"]["content"])
    assert {"400", "403", "404", "406", "410", "413", "429", "500", "503", "504"} <= set(operation["responses"])
    assert "UNKNOWN_MEASURE" in operation["responses"]["400"]["description"]


def test_the_studio_shows_the_cube_with_a_query_that_works(client: Client) -> None:
    """What a person copies from the page is answered."""
    (section, *_) = client.get("/studio?format=json").json()["sections"]
    (item,) = section["items"]
    assert (item["name"], item["text"]) == ("sales", "3 dimensions · 4 measures")
    path, _, body = item["example"].removeprefix("curl http://127.0.0.1").partition(" -d ")
    assert client.post(path, content=body.strip("'")).status_code == 200
    assert client.get(item["url"]).status_code == 200


def test_a_query_is_cancelled_when_its_client_leaves(context: ApplicationContext) -> None:
    """Nobody waits for the answer, so nothing works on it."""
    cancelled: list[str] = []
    context[AnswerCache].clear()

    async def endless(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            raise

    async def leave(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(context[Manager].cube("sales"), "query", endless)
        app = AsyncClient(context)._transport.app
        scope = {
            "type": "http", "method": "POST", "path": "/cubes/sales/query", "raw_path": b"", "query_string": b"",
            "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "client": None, "root_path": "",
            "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        messages = iter([{"type": "http.request", "body": json.dumps(QUERY).encode()}, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: dict[str, Any]) -> None:
            raise AssertionError(f"nobody is there for {message}")

        await app(scope, receive, send)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(leave(patch))
    assert cancelled == ["cancelled"]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    ["lines", "price", "weight", "city", "day", "at", "Place.city", "Place.Place.city", "*", "ct'y\"", ""]
)
MEMBERS = SCALARS | st.sampled_from(["Oslo", "2013-01-01", "2013-01-01T05:00:00Z", "x' or 1=1 --"])
FILTERS = st.one_of(
    MEMBERS,
    st.lists(MEMBERS, max_size=3),
    st.dictionaries(
        st.sampled_from(["not", "from", "to", "prefix", "path", "x"]), MEMBERS | st.lists(MEMBERS, max_size=2)
    ),
)
TIMEOUTS = st.sampled_from(["30s", "1 day", "0s"]) | SCALARS.filter(
    lambda value: type(value) is not float or not 0 < value < 30
)
"""Of those that are taken none is so short that it ends before the answer: that is told as well, and another matter."""
QUERIES = st.fixed_dictionaries(
    {"measures": st.lists(NAMES, max_size=3)},
    optional={
        "levels": st.lists(NAMES, max_size=3),
        "where": st.dictionaries(NAMES, FILTERS, max_size=2),
        "totals": st.sampled_from(["none", "grand", "all", "most"]),
        "order": st.lists(st.fixed_dictionaries({"by": NAMES}, optional={"descending": st.booleans()}), max_size=2),
        "limit": st.integers(-1, 3) | SCALARS,
        "offset": st.integers(-1, 3) | SCALARS,
        "branch": st.sampled_from(["master", "other"]),
        "version": SCALARS,
        "timeout": TIMEOUTS,
        "unavailable": st.sampled_from(["fail", "partial"]),
    },
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)


@given(QUERIES | DOCUMENTS, st.sampled_from(["application/json", "text/csv", ARROW]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_no_question_makes_the_node_fail(client: Client, document: object, accept: str) -> None:
    """Whatever is asked is answered, or refused in words that help; nothing of the inside is shown."""
    answer = client.post("/cubes/sales/query", content=encoding.dumps(document), headers={"Accept": accept})
    if answer.status_code == 200:
        assert answer.headers["content-type"].startswith(accept)
        return
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) in [
        (400, "application/problem+json"),
        (410, "application/problem+json"),
    ]
    assert problem["status"] == answer.status_code
    assert all(error["code"] and error["detail"] for error in problem["errors"])
    assert "Traceback" not in answer.text
    assert "duckdb" not in answer.text.lower()
