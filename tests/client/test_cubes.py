"""Questions from Python to a node that listens: answers in every form, rows of a cell, and what is told of mistakes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from app_framework.client import Answer, CellRows, Client, Cube, MissingLibraryError, ProblemError, UnreachableError
from app_framework.client.frames import read_arrow
from app_framework.client.topology import TopologyCache
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.olap.cellset import CellColumn, CellSet
from app_framework.testing import ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.encoding import dump_answer
from tests.web.test_cubes import MODEL, ROWS


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a node with one small cube."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    runner = ContextRunner(auto).directory(folder).properties({"server.port": 0})
    with runner.run() as context, Client(context.addresses["http"], cache=TopologyCache(folder)) as client:
        yield client


@pytest.fixture
def sales(client: Client) -> Cube:
    return client.cubes["sales"]


def test_cubes_are_listed_and_completed(client: Client) -> None:
    """In a REPL: what there is, by name, with measures and levels."""
    assert (list(client.cubes), client.cubes._ipython_key_completions_()) == (["sales"], ["sales"])
    assert repr(client.cubes) == f"<Cubes of {client.url}: sales>"
    assert "sales" in client.cubes
    sales = client.cubes["sales"]
    assert sales.measures == ["lines", "amount", "price", "weight"]
    assert sales.levels["Moment.Moment.at"] == "timestamp[UTC]"
    assert client.cubes.discovery()["catalogs"][0]["cubes"][0]["name"] == sales.discovery()["name"]


def test_a_node_that_is_gone_completes_nothing(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:1", cache=TopologyCache(tmp_path)) as client:
        assert repr(client.cubes) == "<Cubes of http://127.0.0.1:1>"
        with pytest.raises(UnreachableError):
            list(client.cubes)


def test_an_answer_is_a_table_to_look_at(sales: Cube) -> None:
    """Numbers to the right, missing members and totals told apart."""
    answer = sales.query(["lines", "price"], levels=["city", "day"], totals="grand")
    assert repr(answer).splitlines() == [
        "city   day         lines  price",
        "Oslo   2013-01-01      1   1.50",
        "Rome   2013-01-01      1   2.25",
        "N/A    2013-01-02      1   0.10",
        "(all)  (all)           3   3.85",
    ]


def test_a_notebook_shows_text_and_a_part_only() -> None:
    """Whatever a member is called, it is no markup; of many rows the first are shown."""
    columns = [{"name": "<i>", "role": "level", "type": "string"}, {"name": "n", "role": "measure", "type": "int64"}]
    rows = [["<script>alert(1)</script>", 1], ["x" * 300, 2], *([f"m{i}", i] for i in range(98))]
    html = Answer({"cube": "c", "columns": columns, "rows": rows, "grouping": [0] * 100})._repr_html_()
    assert "<th>&lt;i&gt;</th>" in html
    assert "<script>" not in html
    assert "x" * 200 not in html
    assert html.count("<tr>") == 21
    assert html.endswith("<p>… 80 more</p>")
    assert '<td style="text-align: right">1</td>' in html


def test_arrow_is_the_same_whether_converted_or_received(sales: Cube) -> None:
    """Every type of the answer, totals and metadata."""
    asked = {"levels": ["city", "day", "at"], "totals": "grand"}
    converted = sales.query(["lines", "price", "amount"], **asked).to_arrow()  # type: ignore[arg-type]
    received = sales.query_arrow(["lines", "price", "amount"], **asked)  # type: ignore[arg-type]
    assert converted.equals(received)
    assert converted.schema.equals(received.schema, check_metadata=True)
    assert converted.column("at")[0].as_py() == datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert (converted.column("day")[0].as_py(), converted.column("price")[3].as_py()) == (
        date(2013, 1, 1),
        Decimal("3.85"),
    )


def test_every_type_of_an_answer_becomes_one_of_arrow() -> None:
    values = {
        "boolean": (True, pa.bool_()), "time": ("12:30:00", pa.time64("us")), "uuid": ("0f", pa.string()),
        "timestamp": ("2024-02-29T12:00:00", pa.timestamp("us")), "uint8": (3, pa.uint8()),
        "float": (0.5, pa.float32()), "double": (None, pa.float64()), "decimal(38,0)": (7, pa.decimal128(38, 0)),
        "int64[]": ([1, None], pa.list_(pa.int64())), "decimal(9,2)[]": ([7], pa.list_(pa.decimal128(9, 2))),
    }  # fmt: skip
    columns = [{"name": name, "role": "level", "type": name} for name in values]
    rows = [[value for value, _ in values.values()]]
    table = Answer({"cube": "c", "columns": columns, "rows": rows, "grouping": [0]}).to_arrow()
    assert [field.type for field in table.schema] == [*(kind for _, kind in values.values()), pa.int64()]


def test_frames_are_made_by_their_libraries(sales: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which are imported when they are asked for, and named with what installs them where they are missing."""
    answer = sales.query(["lines", "price"], levels=["city", "day"])
    polars_frame, pandas_frame = answer.to_polars(), answer.to_pandas()
    assert polars_frame.columns == list(pandas_frame.columns) == answer.to_arrow().column_names
    assert polars_frame["lines"].to_list() == pandas_frame["lines"].tolist() == [row[2] for row in answer.rows]
    assert polars_frame["day"].to_list() == answer.to_arrow().column("day").to_pylist()
    for library, convert in (("polars", answer.to_polars), ("pandas", answer.to_pandas), ("pyarrow", answer.to_arrow)):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingLibraryError, match=f"pip install {library}") as raised:
            convert()
        assert raised.value.library == library
    with pytest.raises(MissingLibraryError):
        read_arrow(b"")


def test_a_cell_of_an_answer_leads_to_its_rows(sales: Cube) -> None:
    """Each row of an answer says where it is; totals say less."""
    where = {"day": {"from": date(2013, 1, 1), "to": date(2013, 1, 2)}}
    answer = sales.query(["lines"], levels=["city"], where=where, totals="grand")
    assert [answer.coordinates(i) for i in range(len(answer))] == [
        {"city": "Oslo"},
        {"city": "Rome"},
        {"city": None},
        {},
    ]
    for i, row in enumerate(answer):
        rows = sales.drillthrough(answer.coordinates(i), where=where)
        assert len(rows) == rows.cell_count == row[1]
    missing = sales.drillthrough({"city": None}, columns=["day", "price"])
    assert (missing.to_dicts(), missing.columns[1].type) == (
        [{"day": "2013-01-02", "price": Decimal("0.10")}],
        "decimal(15,2)",
    )
    assert repr(sales.drillthrough({}, columns=["amount"], limit=1)).splitlines() == ["amount", "     3", "… 2 more"]
    assert sales.drillthrough_arrow({}, columns=["at"], limit=2).equals(
        sales.drillthrough({}, columns=["at"], limit=2).to_arrow()
    )


def test_several_questions_are_asked_at_once(client: Client) -> None:
    """Each with its answer, or the error it would have raised."""
    day = date(2013, 1, 2)
    asked = [{"cube": "sales", "measures": ["price"], "where": {"day": day}}, {"cube": "sales", "measures": ["line"]}]
    answer, problem = client.cubes.query_all(asked)
    assert isinstance(answer, Answer)
    assert answer.rows == ((Decimal("0.10"),),)
    assert isinstance(problem, ProblemError)
    assert (problem.code, problem.near) == ("UNKNOWN_MEASURE", ("lines",))


def test_members_and_plans_are_told(sales: Cube) -> None:
    assert sales.members("city") == ["Oslo", "Rome", None]
    assert sales.members("city", prefix="R", limit=1) == ["Rome"]
    assert sales.members("city", branch="master") == ["Oslo", "Rome", None]
    explained = sales.explain(["lines"], levels=["city"], where={"city": {"prefix": "R"}})
    assert explained["plan"].startswith("Output city, lines")
    assert explained["parameters"] == ["R"]


def test_mistakes_are_told_with_what_was_meant(sales: Cube, client: Client) -> None:
    """The code of the problem, every mistake, and in its words what is near."""
    with pytest.raises(ProblemError) as raised:
        sales.query(["line"], levels=["cty"], limit=0)
    assert (raised.value.code, raised.value.near) == ("INVALID_QUERY", ("lines", "city"))
    assert str(raised.value).splitlines() == [
        "measures[0]: cube 'sales' has no measure 'line'. Did you mean: lines?",
        "levels[0]: cube 'sales' has no level 'cty'. Did you mean: city?",
    ]
    with pytest.raises(ProblemError, match=r"no cube 'sale'\. Did you mean: sales\?") as unknown:
        client.cubes["sale"].drillthrough()
    assert unknown.value.code == "UNKNOWN_CUBE"
    with pytest.raises(TypeError, match="cannot hold"):
        sales.query(["lines"], where={"city": object()})


def test_what_python_calls_a_member_is_one(sales: Cube) -> None:
    """Dates, sets and decimals as well as their texts."""
    assert sales.query(["lines"], where={"day": date(2013, 1, 2)}).rows == ((1,),)
    assert sales.query(["lines"], where={"city": {"Oslo", "Rome"}}).rows == ((2,),)
    assert isinstance(sales.drillthrough({"at": datetime(2013, 1, 1, 5, tzinfo=UTC)}), CellRows)


def test_a_table_shows_values_in_their_format() -> None:
    """As the node's own answer does; what has no format is shown as before, and programs get the values."""
    columns = [
        CellColumn("day", "level", "date", "%d.%m.%Y"),
        CellColumn("at", "level", "timestamp[UTC]", "%H:%M"),
        CellColumn("revenue", "measure", "decimal(38,2)", "#,##0.00 EUR"),
        CellColumn("share", "measure", "double", "0.0%"),
        CellColumn("sold", "measure", "int64", "#,##0"),
        CellColumn("plain", "measure", "int64", None),
    ]
    rows = [
        (date(2025, 2, 1), datetime(2025, 2, 1, 7, 5, tzinfo=UTC), Decimal("-1234.50"), 0.1256, 1_000_000, 1_000_000),
        (date(2025, 2, 1), None, None, None, 1, 0),
        (None, None, Decimal("1.00"), 1.0, 2, 3),
    ]
    cells = CellSet("shop", columns, rows=rows, grouping=[0, 2, 3], versions={"a": 1}, elapsed_ms=0)
    answer = Answer.of_json(dump_answer(cells.to_dict()))
    assert answer.table().splitlines() == [
        "day         at           revenue   share       sold    plain",
        "01.02.2025  07:05  -1,234.50 EUR   12.6%  1,000,000  1000000",
        "01.02.2025  (all)            N/A     N/A          1        0",
        "(all)       (all)       1.00 EUR  100.0%          2        3",
    ]
    written = [line.split() for line in repr(cells).splitlines() if "--" not in line]
    assert [line.split() for line in answer.table().splitlines()] == written
    assert "<td>01.02.2025</td>" in answer._repr_html_()
    assert (answer[0][2], answer[0][3]) == (Decimal("-1234.50"), 0.1256)


@pytest.mark.parametrize(
    ("kind", "value"), [("int64", 7), ("date", "2025-02-01"), ("string", "tea"), ("time", "25:00")]
)
def test_a_format_that_a_client_does_not_know_is_left_out(kind: str, value: object) -> None:
    columns = [{"name": "n", "role": "measure", "type": kind, "format": "[h]:mm"}]
    answer = Answer({"cube": "c", "columns": columns, "rows": [[value]], "grouping": [0]})
    assert answer.table().splitlines()[1].strip() == str(value)
