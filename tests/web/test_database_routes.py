"""`/database`: rows over HTTP in every format, deletions by filter, and what is told of bad ones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_framework.boot import ApplicationContext
from app_framework.database import Database
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.security import Doors, Role
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration

MODEL = """
app: {name: shop}
database:
  tables:
    sales:
      columns: {id: bigint, item: text, price: "decimal(8,2)", at: timestamptz, day: date}
      key: id
    notes: {columns: {text: text}}
schemas:
  Shop:
    base: sales
    cubes:
      sales: {dimensions: {Item: [item]}, measures: {lines: {count: "*"}, revenue: {sum: price}}}
"""
ROWS = "/database/tables/sales/rows"
DELETE = "/database/tables/sales/delete"
NDJSON, CSV = "application/x-ndjson", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
SALES: list[dict[str, Any]] = [
    {"id": 1, "item": "tea", "price": 3.5, "at": "2025-01-01T10:00:00+02:00", "day": "2025-01-01"},
    {"id": 2, "item": None, "price": None, "at": None, "day": None},
]
TABLE = pa.table(
    {
        "id": pa.array([1, 2], pa.int32()),
        "item": pa.array(["tea", None]).dictionary_encode(),
        "price": pa.array([3.5, None]),
        "at": pa.array([1735718400000, None], pa.timestamp("ms", "UTC")),
        "day": pa.array([20089, None], pa.date32()),
    }
)
HUGE = pa.table({"id": pa.array([2**63], pa.uint64())})


def arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


BODIES: dict[str, bytes] = {
    "application/json": json.dumps(SALES).encode(),
    NDJSON: b"\n".join(json.dumps(row).encode() for row in SALES),
    CSV: b"id,item,price,at,day\n1,tea,3.50,2025-01-01T10:00:00+02:00,2025-01-01\n2,,,,\n",
    ARROW: arrow_bytes(TABLE),
    PARQUET: parquet_bytes(TABLE),
}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationContext]:
    """A running node whose tables are empty."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    limits = {"server.enabled": False, "server.max-body-size": "2MB", "database.versions.keep": 3}
    with ContextRunner(auto).directory(folder).properties(limits).run() as context:
        yield context


@pytest.fixture
def client(context: ApplicationContext) -> Iterator[Client]:
    with Client(context) as client:
        client.post(DELETE, json={"where": {}})
        yield client


def post(client: Client, body: bytes | str, content_type: str = "application/json", query: str = "") -> Any:
    return client.post(ROWS + query, content=body, headers={"Content-Type": content_type})


def problems(answer: Any, code: str = "INVALID_ROWS", status: int = 400) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return [error["detail"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("content_type", BODIES)
def test_rows_of_every_format_are_the_same_rows(content_type: str, client: Client, context: ApplicationContext) -> None:
    """Each answers how many they were and the version that has them."""
    database = context[Database]
    answer = post(client, BODIES[content_type], content_type)
    assert answer.json() == {"table": "sales", "rows": 2, "version": database.version}
    rows = database.query(
        'SELECT id, item, CAST(price AS VARCHAR), CAST("at" AS VARCHAR), CAST(day AS VARCHAR) FROM sales'
    )
    assert sorted(rows) == [(1, "tea", "3.50", "2025-01-01 08:00:00+00", "2025-01-01"), (2, None, None, None, None)]


def test_a_query_reads_an_older_version_while_it_is_kept(client: Client) -> None:
    """410 when it is not."""
    versions = [post(client, json.dumps([{"id": n, "price": n}])).json()["version"] for n in range(1, 5)]

    def ask(version: object) -> Any:
        return client.post("/cubes/sales/query", json={"measures": ["lines", "revenue"], "version": version})

    assert [ask(version).json()["rows"] for version in versions[1:]] == [[[2, 3.0]], [[3, 6.0]], [[4, 10.0]]]
    assert ask({"shop": versions[1]}).json()["versions"] == {"shop": versions[1]}
    assert problems(ask(versions[0]), "UNKNOWN_VERSION", 410)[0].startswith(f"version {versions[0]} is not kept")


def test_a_decimal_keeps_the_digits_that_json_writes(client: Client, context: ApplicationContext) -> None:
    post(client, '[{"id": 9007199254740993, "price": 123456.78}]')
    assert str(context[Database].query("SELECT id, price FROM sales")) == "[(9007199254740993, Decimal('123456.78'))]"


def test_bad_rows_refuse_the_batch_with_number_and_column(client: Client, context: ApplicationContext) -> None:
    before = context[Database].version
    answer = post(client, '[{"id": 1}, {"id": "2", "price": 1.234}, {"id": 3, "itm": 1}, 7, {"id": 1}]')
    assert problems(answer) == [
        "row 2, column 'id': '2' is not an int64.",
        "row 2, column 'price': 1.234 has more than 2 digits after the point.",
        "row 3, column 'itm': table 'sales' has no such column. Did you mean: item?",
        "row 4: a row is an object with the table's columns.",
    ]
    assert [error["field"] for error in answer.json()["errors"]][:2] == ["rows[1].id", "rows[1].price"]
    assert answer.json()["errors"][2]["near"] == ["item"]
    assert context[Database].version == before


@pytest.mark.parametrize(
    ("content_type", "body", "told"),
    [
        (NDJSON, b'{"id": 1}\n\n{"id": 2\n', ["row 2: it is not JSON: Expecting ',' delimiter"]),
        (NDJSON, b'{"id": 1, "price": NaN}\n', ["row 1: it is not JSON: NaN is no number of JSON"]),
        (CSV, b"id,item\n1,tea\nx,cup\n2\n", ["row 2, column 'id': 'x' is not an", "row 3: it has 1 values"]),
        (CSV, b"id,itme,id\n", ["column 'itme': table 'sales' has", "column 'id': the header names it twice"]),
        (CSV, b'id,item\n1,"te', ["rows: the rows cannot be read: line 3: unexpected end of data"]),
        (CSV, b"id,item\n1,\xff\n", ["rows: the rows cannot be read: line 1: 'utf-8' codec"]),
        (ARROW, arrow_bytes(pa.table({"id": ["1"], "x": [1]})), ["column 'x': table", "column 'id': string was sent"]),
        (ARROW, arrow_bytes(pa.table({"id": [1], "price": [1.005]})), ["row 1, column 'price': 1.005 cannot be kept"]),
        (ARROW, BODIES[ARROW][:-200], ["rows: the rows cannot be read"]),
        (PARQUET, parquet_bytes(HUGE), ["row 1, column 'id': 9223372036854775808 cannot be kept as int64"]),
    ],
)  # fmt: skip
def test_each_format_says_what_is_wrong_in_it(content_type: str, body: bytes, told: list[str], client: Client) -> None:
    for problem, sentence in zip(problems(post(client, body, content_type)), told, strict=True):
        assert sentence in problem


@pytest.mark.parametrize(
    ("content_type", "body", "told"),
    [
        ("application/json", b"id,item\n", "other formats need their Content-Type"),
        ("application/json", b"3", "the body is a list of rows"),
        ("application/json", b"[" * 100_000, "nested too deeply"),
        ("application/json", b"\xff", "the body is not JSON"),
        (CSV, b"", "the body has no header"),
        (ARROW, b"", "the body is not Arrow: "),
        (PARQUET, b"PAR1", "the body is not Parquet: "),
    ],
)
def test_a_body_of_another_shape_is_refused(content_type: str, body: bytes, told: str, client: Client) -> None:
    assert told in problems(post(client, body, content_type), "INVALID_REQUEST")[0]


def test_a_media_type_that_is_not_read_is_415(client: Client) -> None:
    assert "readable: application/json, " in problems(post(client, b"", "text/xml"), "UNSUPPORTED_MEDIA_TYPE", 415)[0]
    packed = client.post(ROWS, content=b"x", headers={"Content-Type": CSV, "Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_a_body_that_is_too_large_is_413(client: Client) -> None:
    assert "server.max-body-size" in problems(post(client, b" " * 3_000_000), "TOO_LARGE", 413)[0]


def test_a_body_that_is_no_longer_small_goes_through_a_file(client: Client) -> None:
    lines = "".join(f"{n},{'x' * 20}\n" for n in range(60_000))
    assert post(client, f"id,item\n{lines}", CSV).json()["rows"] == 60_000


def test_bad_rows_are_left_out_when_asked(client: Client, context: ApplicationContext) -> None:
    """The answer says how many, and which file has them."""
    answer = post(client, b'{"id": 1}\n{"id": "x", "item": "cup"}\n{"id": \n', NDJSON, "?on-error=reject").json()
    assert (answer["rows"], answer["rejected"]) == (1, 2)
    kept = [json.loads(line) for line in Path(answer["rejects"]).read_text().splitlines()]
    assert [(row["row"], row["values"]) for row in kept] == [(2, {"id": "x", "item": "cup"}), (3, {"": '{"id": '})]
    assert Path(answer["rejects"]).parts[-3:-1] == ("shop", "rejects")
    assert context[Database].query("SELECT id FROM sales") == [(1,)]
    none = post(client, b'{"id": 2}\n', NDJSON, "?on-error=reject").json()
    assert (none["rejected"], none["rejects"]) == (0, None)
    assert problems(post(client, b"[]", query="?on-error=maybe"), "INVALID_REQUEST")


def test_rows_are_deleted_by_the_filters_of_a_query(client: Client, context: ApplicationContext) -> None:
    rows = [{"id": n, "item": item, "day": f"2025-01-0{n}"} for n, item in enumerate(["tea", "cup", None, "teapot"], 1)]
    filters: list[tuple[dict[str, Any], list[int]]] = [
        ({"item": "tea"}, [2, 3, 4]),
        ({"item": ["tea", None]}, [2, 4]),
        ({"item": {"prefix": "tea"}}, [2, 3]),
        ({"item": {"not": ["cup"]}, "day": {"from": "2025-01-02", "to": "2025-01-03"}}, [1, 2, 4]),
        ({}, []),
    ]
    for where, left in filters:
        post(client, json.dumps(rows))
        answer = client.post(DELETE, json={"where": where}).json()
        assert answer == {"table": "sales", "rows": 4 - len(left), "version": context[Database].version}
        assert [row[0] for row in context[Database].query("SELECT id FROM sales ORDER BY id")] == left


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"where": {"itme": 1}}, "INVALID_QUERY", "no column 'itme'"),
        ({"where": {"id": "x"}}, "INVALID_QUERY", "'x' is not a member"),
        ({"where": {"id": {"prefix": "x"}}}, "INVALID_QUERY", "is int64, not text"),
        ({"where": {"item": {"path": [["x"]]}}}, "INVALID_QUERY", "a path filters a hierarchy"),
        ({"where": {"id": {"form": 1}}}, "INVALID_REQUEST", "no key 'form'"),
        ({}, "INVALID_REQUEST", "'where' is missing"),
        ({"where": 3}, "INVALID_REQUEST", "'where' is an object of filters"),
        ({"where": {}, "limit": 1}, "INVALID_REQUEST", "there is no field 'limit'"),
    ],
)
def test_a_deletion_that_makes_no_sense_deletes_nothing(body: Any, code: str, told: str, client: Client) -> None:
    post(client, b'[{"id": 1}]')
    assert told in problems(client.post(DELETE, json=body), code)[0]
    assert client.post("/cubes/sales/query", json={"measures": ["lines"]}).json()["rows"] == [[1]]


def test_an_unknown_table_is_404_with_what_is_near(client: Client) -> None:
    for door in ("rows", "delete"):
        answer = client.post(f"/database/tables/sale/{door}", json={"where": {}})
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_TABLE")
        assert answer.json()["errors"][0]["near"] == ["sales"]


def test_writing_needs_a_writer() -> None:
    doors = Doors()
    assert {doors.needs("POST", f"/database/tables/sales/{door}") for door in ("rows", "delete")} == {Role.WRITER}
    changes = [("POST", ""), ("DELETE", "/b"), ("POST", "/b/fast-forward")]
    assert {doors.needs(method, f"/database/branches{path}") for method, path in changes} == {Role.WRITER}
    assert doors.needs("GET", "/database/branches") is Role.READER


def test_a_branch_is_made_changed_asked_and_taken_over(client: Client, context: ApplicationContext) -> None:
    """Master is as it was until the fast-forward."""
    base = post(client, b'[{"id": 1, "price": 1}]').json()["version"]
    made = client.post("/database/branches", json={"name": "what-if"}).json()
    assert made == {"name": "what-if", "version": base, "base": base}
    version = post(client, b'[{"id": 2, "price": 5}]', query="?branch=what-if").json()["version"]
    client.post(f"{DELETE}?branch=what-if", json={"where": {"id": 1}})

    def ask(**query: object) -> Any:
        return client.post("/cubes/sales/query", json={"measures": ["lines", "revenue"], **query}).json()

    assert ask()["rows"] == [[1, 1.0]]
    answer = ask(branch="what-if")
    assert (answer["rows"], answer["versions"]) == ([[1, 5.0]], {"shop": context[Database].branches["what-if"].version})
    assert client.get("/database/branches").json()["branches"] == [
        {"name": "master", "version": base, "base": None},
        {"name": "what-if", "version": answer["versions"]["shop"], "base": base},
    ]
    forward = "/database/branches/what-if/fast-forward"
    assert "not at" in problems(client.post(forward, json={"version": version}), "CONFLICT", 409)[0]
    moved = client.post(forward, json={"version": answer["versions"]["shop"]}).json()
    assert moved["base"] == moved["version"] == context[Database].version
    assert ask()["rows"] == ask(branch="what-if")["rows"] == [[1, 5.0]]
    post(client, b'[{"id": 3}]')
    post(client, b'[{"id": 4}]', query="?branch=what-if")
    assert "master was changed since" in problems(client.post(forward), "CONFLICT", 409)[0]
    assert client.delete("/database/branches/what-if").json()["name"] == "what-if"
    assert client.delete("/database/branches/what-if").json()["code"] == "UNKNOWN_BRANCH"


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({}, "INVALID_REQUEST", 400),
        ({"name": 1}, "INVALID_REQUEST", 400),
        ({"name": "b", "version": True}, "INVALID_REQUEST", 400),
        ({"name": "b", "from": 1}, "INVALID_REQUEST", 400),
        ({"name": "b/c"}, "CONFLICT", 409),
        ({"name": "Master"}, "ALREADY_EXISTS", 409),
        ({"name": "b", "version": 1}, "UNKNOWN_VERSION", 410),
    ],
)
def test_a_branch_that_cannot_be_made_is_refused(body: Any, code: str, status: int, client: Client) -> None:
    problems(client.post("/database/branches", json=body), code, status)
    assert [branch["name"] for branch in client.get("/database/branches").json()["branches"]] == ["master"]


def test_an_unknown_branch_is_told_with_what_is_near(client: Client) -> None:
    client.post("/database/branches", json={"name": "what-if"})
    for answer in (
        post(client, b"[]", query="?branch=what-of"),
        client.post(f"{DELETE}?branch=what-of", json={"where": {}}),
        client.post("/cubes/sales/query", json={"measures": ["lines"], "branch": "what-of"}),
    ):
        assert problems(answer, "UNKNOWN_BRANCH") == answer.json()["detail"].splitlines()
        assert answer.json()["errors"][0]["near"] == ["what-if"]
    client.delete("/database/branches/what-if")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content_type=st.sampled_from(sorted(BODIES)), data=st.data())
def test_a_body_that_was_damaged_on_the_way_never_fails_the_node(
    content_type: str, data: st.DataObject, client: Client
) -> None:
    """Cut off, or with bytes that were not sent: the rows are taken, or the client is told why not."""
    body = bytearray(BODIES[content_type])
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answer = post(client, bytes(body[: data.draw(st.integers(0, len(body)))]), content_type)
    assert answer.status_code in (200, 400), answer.text
