"""`af query`, against a node that listens."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner, GoldenFiles
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.cli.conftest import Af
from tests.web.test_cubes import MODEL, ROWS

AUTO = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration, SecurityAutoConfiguration]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small cube."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    return folder


@pytest.fixture(scope="module")
def url(shop: Path) -> Iterator[str]:
    with ContextRunner(AUTO).directory(shop).properties({"server.port": 0}).run() as context:
        yield context.addresses["http"]


@pytest.fixture(autouse=True)
def _no_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("AF_URL", "AF_USER", "AF_PASSWORD", "AF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_a_person_sees_a_table(af: Af, url: str, golden: GoldenFiles) -> None:
    """Of every kind of question that the options can write."""
    asked = [
        ["--by", "city,day", "--measure", "lines,price", "--totals", "all"],
        ["--by", "city", "--measure", "amount", "--order", "amount:desc", "--limit", "2"],
        ["--by", "city,day", "--measure", "amount", "--order", "amount:desc", "--top", "1", "--per", "city"],
        ["--measure", "lines", "--where", "city=Oslo", "--where", "city="],
        ["--measure", "lines", "--where", "city!=Oslo", "--where", "day>=2013-01-01", "--where", "day<=2013-01-01"],
    ]
    told = []
    for options in asked:
        done = af("query", "sales", *options, "--url", url)
        assert (done.exit_code, done.stderr) == (0, "")
        told.append(f"$ af query sales {' '.join(options)}\n{done.stdout}")
    golden("query.txt", "\n".join(told))


def test_a_program_gets_what_the_node_sends(af: Af, url: str) -> None:
    """CSV, JSON with every digit, and Arrow."""
    question = ["query", "sales", "--by", "city", "--measure", "price", "--limit", "1", "--url", url]
    assert af(*question, "-o", "csv").stdout_bytes == b"city,price,grouping\r\nOslo,1.50,0\r\n"
    document = json.loads(af(*question, "-o", "json").stdout, parse_float=str)
    assert document["rows"] == [["Oslo", "1.50"]]
    stream = af(*question, "-o", "arrow").stdout_bytes
    assert pa.ipc.open_stream(io.BytesIO(stream)).read_all().column("city").to_pylist() == ["Oslo"]


def test_an_arrow_stream_is_not_poured_on_a_terminal(af: Af, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app_framework.cli.commands.query._at_terminal", lambda: True)
    done = af("query", "sales", "--measure", "lines", "-o", "arrow", "--url", url)
    assert (done.exit_code, "not for a terminal" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            ["sales", "--by", "cty", "--measure", "line"],
            "measures[0]: cube 'sales' has no measure 'line'. Did you mean",
        ),
        (["sale", "--measure", "lines"], "There is no cube 'sale'. Did you mean: sales?"),
        (["sale", "--measure", "lines", "--where", "a=b"], "There is no cube 'sale'. Did you mean: sales?"),
        (["sales", "--measure", "lines", "--where", "cty=Oslo"], "has no level 'cty'. Did you mean: city?"),
        (["sales", "--measure", "lines", "--where", "city"], "--where 'city' is no filter."),
        (["sales", "--measure", "lines", "--where", "day=x"], "'x' is not a member of a level of type date."),
        (
            ["sales", "--measure", "lines", "--where", "day=2013-01-01", "--where", "day>=2013-01-01"],
            "do not go together",
        ),
        (["sales", "--measure", "lines", "--order", "lines:down"], "'down' is no direction."),
        (["sales", "--measure", "lines", "--by", "city", "--top", "1"], "--top and --per belong together."),
        (["sales", "--measure", "lines", "--top", "1", "--per", "city"], "is not among the `levels` of the query"),
    ],
)
def test_mistakes_are_told_in_words(af: Af, url: str, wrong: list[str], told: str) -> None:
    """The problem's own, with what was meant; exit code 1 and nothing on standard output."""
    done = af("query", *wrong, "--url", url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_where_nobody_answers_the_exit_code_is_3(af: Af) -> None:
    done = af("query", "sales", "--measure", "lines", "--url", "http://127.0.0.1:1")
    assert (done.exit_code, "nothing listens there" in done.stderr) == (3, True)


def test_who_asks_is_said_as_in_other_commands(af: Af, shop: Path) -> None:
    """By a token of the environment; without, the node refuses and the action says what helps."""
    secured = {
        "server.port": 0,
        "security.tokens.ci.token": "t0ken-t0ken-t0ken-t0ken",
        "security.tokens.ci.roles": ["reader"],
    }
    with ContextRunner(AUTO).directory(shop).properties(secured).run() as context:
        question = ["query", "sales", "--measure", "lines", "--url", context.addresses["http"]]
        refused = af(*question)
        assert (refused.exit_code, "AF_TOKEN" in refused.stderr) == (1, True)
        assert af(*question, env={"AF_TOKEN": "t0ken-t0ken-t0ken-t0ken"}).stdout.split() == ["lines", "3"]
