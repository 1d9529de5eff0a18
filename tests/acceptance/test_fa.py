"""The framework's acceptance scenarios, on real processes through the doors that users have."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import sample_app
from app_framework import Application
from app_framework.testing import GoldenFiles
from tests.acceptance.processes import AF, Node, af, clean_environ, running

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = Path(sample_app.__file__).parent

SALES = """\
app: {name: sales}
database:
  tables:
    sales:
      source: {csv: sales.csv}
schemas:
  Sales:
    base: sales
    cubes:
      sales:
        dimensions: {Region: [region], Product: [product]}
        measures: {revenue: {sum: amount}, sales: {count: "*"}}
"""

ROWS = "region,product,amount\nnorth,tea,10\nnorth,coffee,20\nsouth,tea,5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that is a complete application: one YAML file and its data."""
    tmp_path.joinpath("application.yml").write_text(SALES)
    tmp_path.joinpath("sales.csv").write_text(ROWS)
    return tmp_path


def replace(folder: Path, old: str, new: str) -> None:
    """Change the application.yml."""
    path = folder / "application.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_fa1_one_pip_command_makes_a_folder_run_and_uninstalling_explains_the_section(tmp_path: Path) -> None:
    """A fresh environment, the framework and one starter; then the starter is gone."""
    home, folder = tmp_path / "venv", tmp_path / "app"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    starter = REPOSITORY / "starters" / "web"
    subprocess.run(
        [str(home / "bin" / "pip"), "install", "--quiet", str(REPOSITORY), str(starter)], check=True, cwd=tmp_path
    )
    folder.mkdir()
    folder.joinpath("application.yml").write_text("app: {name: hello}\nserver:\n  port: 0\n")
    program = home / "bin" / "af"
    with running(folder, program=program) as node:
        assert node.get("/actuator/health").json()["status"] == "UP"
    listed = af(folder, "starters", program=program)
    row = r"app-framework-starter-web\s+0\.1\.0\s+on\s+security, web\s.*web: on_module\(fastapi\)"
    assert re.search(row, listed.out)

    subprocess.run(
        [str(home / "bin" / "pip"), "uninstall", "--quiet", "--yes", "app-framework-starter-web"], check=True
    )
    failed = af(folder, "run", program=program)
    assert failed.code == 1
    assert "application.yml:2:1" in failed.err
    assert "'server'" in failed.err
    assert "pip install app-framework-starter-web" in failed.err
    assert "Traceback" not in failed.err


def test_fa2_wrong_letters_in_keys_sections_and_variables_are_refused_together(
    folder: Path, golden: GoldenFiles
) -> None:
    """One report, each with its place and the right spelling."""
    replace(folder, "source:", "sorce:")
    replace(folder, "schemas:", "shemas:")
    replace(folder, "app: {name: sales}", "app: {nmae: sales}")
    failed = af(folder, "run", environ={"APP_SERVER_PROT": "8081"})
    assert failed.code == 1
    golden("fa2_keys.txt", failed.err)


def test_fa2_wrong_letters_in_the_model_are_refused_together(folder: Path, golden: GoldenFiles) -> None:
    """A measure's column, an aggregation, a level's column: file, line, column, and what was meant."""
    replace(folder, "{sum: amount}", "{sum: amuont}")
    replace(folder, '{count: "*"}', '{cuont: "*"}')
    replace(folder, "[product]", "[produkt]")
    failed = af(folder, "run")
    assert failed.code == 1
    golden("fa2_model.txt", failed.err)


def test_fa2_wrong_letters_in_a_query_are_refused_together(folder: Path) -> None:
    """Each error names the request's field and what was meant."""
    with running(folder) as node:
        answer = node.query("sales", measures=["revenu"], levels=["regoin"], order=[{"by": "revenue"}])
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    found = {(each["field"], each["code"], each["near"][0]) for each in problem["errors"] if each["near"]}
    assert ("measures[0]", "UNKNOWN_MEASURE", "revenue") in found
    assert ("levels[0]", "UNKNOWN_LEVEL", "region") in found
    assert problem["code"] == "INVALID_QUERY"


SERVICE = """\
from app_framework import Application, component, bean, configuration

class Clock: ...
class UtcClock(Clock): ...
class LocalClock(Clock): ...
class Mailer: ...

class NeedsMailer:
    def __init__(self, mailer: Mailer) -> None: ...

class NeedsClock:
    def __init__(self, clock: Clock) -> None: ...

class Chicken:
    def __init__(self, egg: "Egg") -> None: ...

class Egg:
    def __init__(self, chicken: Chicken) -> None: ...

app = Application(name="wrong", sources=[NeedsMailer, NeedsClock, UtcClock, LocalClock, Chicken, Egg])
"""


def test_fa3_what_is_missing_ambiguous_or_cyclic_is_one_report(tmp_path: Path, golden: GoldenFiles) -> None:
    """All of them, before anything is created; tests/boot shows the candidates that a condition ruled out."""
    tmp_path.joinpath("service.py").write_text(SERVICE)
    failed = af(tmp_path, "run", "service:app")
    assert failed.code == 1
    golden("fa3_graph.txt", failed.err)


OWN_DATABASE = """\
from app_framework import Application, bean
from app_framework.database import Database

@bean
def my_database() -> Database:
    return Database.open()

app = Application(name="own", sources=[my_database])
"""


def test_fa4_the_users_component_replaces_the_starters(tmp_path: Path) -> None:
    """The conditions report says so, and where the user's is defined."""
    tmp_path.joinpath("service.py").write_text(OWN_DATABASE)
    report = af(tmp_path, "conditions", "service:app")
    assert report.code == 0, report.err
    assert "on_missing_component(Database) found 'my_database' defined at service.py:4" in report.out


def test_fa5_explain_shows_every_source_of_a_value_the_winner_first(folder: Path, golden: GoldenFiles) -> None:
    """Defaults, files, profiles, documents, imports, environment, command line: in the stated order."""
    folder.joinpath("config").mkdir()
    folder.joinpath("application.yml").write_text(
        SALES + "server: {port: 1001}\n---\napp: {config: {activate: {on-profile: prod}, import: more.yml}}\n"
        "server: {port: 1002}\n"
    )
    folder.joinpath("more.yml").write_text("server: {port: 1003}\n")
    folder.joinpath("application-prod.yml").write_text("server: {port: 1004}\n")
    folder.joinpath("config", "application.yml").write_text("server: {port: '${other.port:1005}'}\n")
    explained = af(
        folder, "config", "explain", "server.port", "--profile", "prod", "--server.port=1007",
        environ={"APP_SERVER_PORT": "1006"},
    )  # fmt: skip
    assert explained.code == 0, explained.err
    golden("fa5_explain.txt", explained.out)


SLOW = """\
import asyncio
from fastapi import APIRouter
from collections.abc import AsyncIterator
from app_framework import Application, Autowired, bean

class Work:
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.finish = asyncio.Event()

@bean
async def work() -> AsyncIterator[Work]:
    yield Work()
    print("work closed", flush=True)
    raise RuntimeError("and it did not close well")

router = APIRouter()

@router.get("/slow")
async def slow(work: Autowired[Work]) -> str:
    work.began.set()
    await work.finish.wait()
    return "finished"

@router.get("/began")
async def began(work: Autowired[Work]) -> bool:
    await work.began.wait()
    return True

@router.get("/finish")
async def finish(work: Autowired[Work]) -> None:
    work.finish.set()

app = Application(name="slow", sources=[work, router])
"""


def test_fa6_sigterm_refuses_readiness_first_lets_requests_finish_and_exits_with_0(tmp_path: Path) -> None:
    """The request in flight is answered, the finalizer that raises is named, the exit code is 0."""
    tmp_path.joinpath("service.py").write_text(SLOW)
    with running(tmp_path, "service:app", "--app.lifecycle.drain-delay=30s") as node, ThreadPoolExecutor() as pool:
        in_flight = pool.submit(node.get, "/slow")
        assert node.get("/began").json() is True
        node.terminate()
        while node.get("/actuator/health/readiness").status_code != 503:
            time.sleep(0.01)
        assert node.get("/actuator/health/liveness").status_code == 200
        assert node.get("/finish").status_code == 200
        assert in_flight.result().json() == "finished"
        node.process.send_signal(2)  # a second signal does not wait for the drain delay
        node.process.wait(timeout=60)

    with running(tmp_path, "service:app") as node, ThreadPoolExecutor() as pool:
        in_flight = pool.submit(node.get, "/slow")
        assert node.get("/began").json() is True
        pool.submit(node.get, "/finish").result()
        assert in_flight.result().json() == "finished"
        node.terminate()
        ended = node.end()
    assert ended.code == 0
    assert "work closed" in ended.out
    assert "work did not stop well: RuntimeError: and it did not close well" in ended.err


def test_fa6_a_port_in_use_is_a_description_with_its_owner(folder: Path) -> None:
    """The port, who has it, what to do; exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = af(folder, "run", f"--server.port={port}")
    assert failed.code == 1
    assert str(port) in failed.err
    assert "--server.port=0" in failed.err
    assert "Traceback" not in failed.err


def test_fa7_two_nodes_in_one_process_share_nothing(tmp_path: Path) -> None:
    """Two whole nodes answer side by side, on one loop, with cubes, metrics and configuration of their own."""

    async def story() -> None:
        properties = {"server.port": 0, **EXPOSED}
        one = Application(name="one").context(environ={}, properties=properties, directory=SAMPLE)
        two = Application(name="two").context(environ={}, properties=properties, directory=tmp_path)
        async with one, two, httpx.AsyncClient() as client:
            cubes = [(await client.get(f"{each.addresses['http']}/cubes")).json() for each in (one, two)]
            assert [len(each["catalogs"][0]["cubes"]) if each["catalogs"] else 0 for each in cubes] == [1, 0]
            url = "/actuator/metrics/http.server.requests"
            counts = [(await client.get(f"{each.addresses['http']}{url}?tag=uri:/cubes")).json() for each in (one, two)]
            assert [each["measurements"][0]["value"] for each in counts] == [1, 1]

    asyncio.run(story())


EXPOSED = {"management.endpoints.web.exposure.include": "*"}

CANARY = "canary-7f3a-secret"


def test_fa9_a_secret_is_never_shown(folder: Path) -> None:
    """Not in any endpoint, log, error text or report, wherever it came from."""
    folder.joinpath("service.py").write_text(
        "from app_framework import Application, ConfigProperties, Field, SecretStr, component\n\n"
        'class Mail(ConfigProperties, prefix="mail"):\n'
        '    password: SecretStr = Field(default="", description="Password.")\n'
        '    retries: int = Field(default=1, description="Retries.")\n\n'
        "@component\nclass Mailer:\n    def __init__(self, mail: Mail) -> None: ...\n\n"
        'app = Application(name="mail", sources=[Mailer])\n'
    )
    exposed = [f"--{key}={value}" for key, value in EXPOSED.items()]
    environ = {"MAIL": CANARY, "APP_LOGGING_LEVEL_ROOT": "debug"}
    with running(folder, "service:app", "--mail.password=${MAIL}", *exposed, environ=environ) as node:
        links = [link["href"] for link in node.get("/actuator").json()["_links"].values()]
        shown = [node.get(link.removeprefix(node.url)).text for link in links if "{" not in link]
        shown.append(node.get("/actuator/env/mail.password").text)
        node.terminate()
        ended = node.end()
    assert len(shown) > 10
    for command in (["conditions"], ["config", "show"], ["config", "explain", "mail.password"], ["config", "check"]):
        done = af(folder, *command, "service:app", f"--mail.password={CANARY}")
        assert done.code == 0, done.err
        shown += [done.out, done.err]
    wrong = af(folder, "run", "service:app", f"--mail.password={{a: {CANARY}}}", "--mail.retries=many")
    shown += [ended.out, ended.err, wrong.out, wrong.err]
    assert wrong.code == 1
    assert "mail.retries" in wrong.err
    assert not [text for text in shown if CANARY in text]


BARE = """\
import sys, duckdb, uvicorn
from fastapi import FastAPI
connection = duckdb.connect()
for table in ("flights", "airlines", "airports", "planes", "weather"):
    connection.execute(f"create table {table} as select * from read_parquet('{sys.argv[1]}/{table}.parquet')")
app = FastAPI()
open(sys.argv[2], "w").write("ready")
"""


def test_fa10_the_sample_node_starts_and_help_answers_within_three_times_their_budgets(tmp_path: Path) -> None:
    """The figures themselves are in benchmarks/results.md; here is a deadline, not a measurement."""
    tmp_path.joinpath("bare.py").write_text(BARE)
    data, ready = SAMPLE / "data" / "nycflights13", tmp_path / "ready"
    began = time.monotonic()
    subprocess.run([sys.executable, "bare.py", str(data), str(ready)], cwd=tmp_path, check=True)
    bare_s = time.monotonic() - began
    shutil.copytree(SAMPLE, tmp_path / "copy" / "sample_app")
    began = time.monotonic()
    with running(tmp_path / "copy", "sample_app.main:app"):
        node_s = time.monotonic() - began
    began = time.monotonic()
    subprocess.run([str(AF), "--help"], env=clean_environ(), check=True, capture_output=True)
    help_s = time.monotonic() - began
    assert node_s < 3 * 1.5 * max(bare_s, 0.5)
    assert help_s < 3 * 0.25


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a running sample node."""
    with running(tmp_path_factory.mktemp("sample"), "sample_app.main:app") as node:
        yield node


def test_the_sample_reproduces_its_reference_values_over_http(sample: Node) -> None:
    """336,776 flights, and every miss of a reference stays in every total."""
    answer = sample.query(
        "flights",
        measures=["flights", "cancelled", "avg_dep_delay", "planes", "distance"],
        levels=["origin"],
        totals="grand",
    ).json()
    by_origin = {row[0]: row[1:] for row in answer["rows"]}
    assert {origin: row[0] for origin, row in by_origin.items()} == {
        "EWR": 120835, "JFK": 111279, "LGA": 104662, None: 336776,
    }  # fmt: skip
    flights, cancelled, delay, planes, distance = by_origin[None]
    assert (flights, cancelled, planes, distance) == (336776, 8255, 4043, 350217607)
    assert delay == pytest.approx(12.639070, abs=5e-7)
    assert sum(row[3] for origin, row in by_origin.items() if origin) == 7941


def test_flights_whose_plane_or_airport_is_unknown_stay_in_every_total(sample: Node) -> None:
    """52,606 without a plane row (2,512 of them without a tail number), 7,602 to airports without one."""

    def flights(**query: object) -> int:
        return int(sample.query("flights", measures=["flights"], **query).json()["rows"][0][0])

    assert flights(where={"manufacturer": None}) == 52606
    assert flights(where={"tailnum": None}) == 2512
    assert flights(where={"manufacturer": None, "tailnum": {"not": [None]}}) == 50094
    assert flights(where={"dest_name": None}) == 7602
    planes = sample.query("flights", measures=["planes"], where={"manufacturer": None, "tailnum": {"not": [None]}})
    assert planes.json()["rows"] == [[721]]
    by_maker = sample.query("flights", measures=["flights"], levels=["manufacturer"], totals="grand").json()
    assert sum(row[1] for row, level in zip(by_maker["rows"], by_maker["grouping"], strict=True) if not level) == 336776
