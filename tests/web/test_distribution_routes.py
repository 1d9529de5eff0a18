"""A data cube and a query cube of one node, over HTTP: asked like any cube, stopped, started and masked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.distribution.autoconfigure import DistributionAutoConfiguration
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.testing.virtual_time import until
from app_framework.web.autoconfigure import WebAutoConfiguration

AUTO = [
    *(DatabaseAutoConfiguration, DistributionAutoConfiguration, MessagingAutoConfiguration, OlapAutoConfiguration),
    *(SecurityAutoConfiguration, WebAutoConfiguration),
]
MODEL = """
database: {tables: {sales: {source: {csv: sales.csv}}, others: {source: {csv: others.csv}}}}
schemas:
  S:
    base: sales
    cubes:
      sales: {dimensions: {Region: [region]}, measures: {revenue: {sum: revenue}, sales: {count: "*"}}}
      plain: {dimensions: {Region: [region]}, measures: {sales: {count: "*"}}}
  O:
    base: others
    cubes:
      others: {dimensions: {Region: [region]}, measures: {revenue: {sum: revenue}, sales: {count: "*"}}}
distribution:
  data-cubes: {sales: {application: shops}, others: {application: shops}}
  query-cubes:
    world: {applications: {shops: {distributing-levels: [region]}}, measures: {mean: {formula: revenue / sales}}}
management: {endpoint: {health: {show-details: always}}, endpoints: {web: {exposure: {include: "*"}}}}
"""
BY_REGION = {"measures": ["revenue", "mean"], "levels": ["region"], "totals": "grand"}
ALL = [["east", 4, 4.0], ["north", 3, 1.5], ["south", 5, 5.0], [None, 12, 3.0]]
ARROW = "application/vnd.apache.arrow.stream"


@contextmanager
def running(folder: Path) -> Iterator[Client]:
    (folder / "sales.csv").write_text("region,revenue\nnorth,1\nsouth,5\nnorth,2\n")
    (folder / "others.csv").write_text("region,revenue\neast,4\n")
    (folder / "application.yml").write_text(MODEL)
    runner = ContextRunner(auto=AUTO).directory(folder).properties({"server.port": 0, "app.data-dir": folder})
    with runner.run() as context, Client(context) as http:
        yield http


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A node that each test leaves as it was."""
    with running(tmp_path_factory.mktemp("shops")) as http:
        yield http


def ask(client: Client, cube: str = "world", **question: object) -> Any:
    answer = client.post(f"/cubes/{cube}/query", json={**BY_REGION, **question})
    assert answer.status_code == 200, answer.text
    return answer.json()


def change(client: Client, door: str, cube: str = "sales", **body: object) -> Any:
    answer = client.post(f"/cubes/{cube}/distribution/{door}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_query_cube_is_asked_like_any_cube(client: Client) -> None:
    """As JSON, Arrow and CSV, in a batch, by members and by rows; the version of each node stands beside the answer."""
    document = ask(client)
    assert (document["rows"], document["grouping"], document["partial"]) == (ALL, [0, 0, 0, 1], False)
    assert list(document["versions"]) == ["test"]
    arrow = client.post("/cubes/world/query", json=BY_REGION, headers={"Accept": ARROW})
    assert pa.ipc.open_stream(arrow.content).read_all().column("revenue").to_pylist() == [4, 3, 5, 12]
    csv = client.post("/cubes/world/query", json=BY_REGION, headers={"Accept": "text/csv"})
    assert csv.text.splitlines()[0:2] == ["region,revenue,mean,grouping", "east,4,4.0,0"]
    batch = client.post("/cubes/query", json=[{"cube": "world", **BY_REGION}, {"cube": "world", "measures": ["x"]}])
    assert [each.get("rows") or each["code"] for each in batch.json()] == [ALL, "UNKNOWN_MEASURE"]
    assert client.get("/cubes/world/members?level=region").json()["members"] == ["east", "north", "south"]
    rows = client.post("/cubes/world/drillthrough", json={"coordinates": {"region": "north"}}).json()
    assert (rows["count"], sorted(rows["rows"])) == (2, [["north", 1], ["north", 2]])


def test_an_answer_that_is_held_is_not_sent_again_until_a_node_has_other_rows(tmp_path: Path) -> None:
    """A commit is part of the answers once it was announced (AA13)."""
    with running(tmp_path) as client:
        answer = client.post("/cubes/world/query", json=BY_REGION)
        held = {"If-None-Match": answer.headers["etag"]}
        assert client.post("/cubes/world/query", json=BY_REGION, headers=held).status_code == 304
        assert client.post("/database/tables/sales/rows", json=[{"region": "west", "revenue": 7}]).status_code == 200
        asyncio.run(until(lambda: ask(client)["rows"][3] == ["west", 7, 7.0]))
        assert client.post("/cubes/world/query", json=BY_REGION, headers=held).status_code == 200


def test_explain_says_which_nodes_were_asked_for_what(client: Client) -> None:
    explained = client.post("/cubes/world/explain", json={**BY_REGION, "where": {"region": "north"}}).json()
    (node,) = explained["nodes"]
    assert (node["node"], node["cube"], node["application"], node["rows"]) == ("test", "sales", "shops", 1)
    assert node["bytes"] > 0
    assert "mean" in explained["plan"]


def test_discovery_tells_the_three_kinds_of_cubes(client: Client) -> None:
    (catalog,) = client.get("/cubes").json()["catalogs"]
    cubes = {cube["name"]: cube for cube in catalog["cubes"]}
    assert {name: cube["kind"] for name, cube in cubes.items()} == {
        "sales": "data cube",
        "plain": "cube",
        "others": "data cube",
        "world": "query cube",
    }
    assert (cubes["sales"]["application"], cubes["sales"]["state"]) == ("shops", "joined")
    (application,) = client.get("/cubes/world").json()["applications"]
    data_cube, _ = sorted(application["data_cubes"], key=lambda each: str(each["cube"]))
    assert (application["name"], application["distributing_levels"]) == ("shops", ["region"])
    assert (data_cube["node"], data_cube["cube"], data_cube["state"]) == ("test", "others", "active")
    assert [measure["name"] for measure in cubes["world"]["measures"]] == ["revenue", "sales", "mean"]


def test_a_data_cube_leaves_and_comes_back(client: Client) -> None:
    """At once, and without an effect on its own answers (AA7)."""
    assert change(client, "stop")["state"] == "stopped"
    asyncio.run(until(lambda: ask(client)["rows"] == [ALL[0], [None, 4, 4.0]]))
    assert ask(client, "sales", measures=["revenue"], levels=[])["rows"] == [[8]]
    assert change(client, "start")["state"] == "joined"
    asyncio.run(until(lambda: ask(client)["rows"] == ALL))


def test_a_query_cube_that_is_stopped_answers_no_more(client: Client) -> None:
    """Everything else of the node goes on, and so does its description."""
    assert change(client, "stop", "world")["state"] == "stopped"
    refused = client.post("/cubes/world/query", json=BY_REGION)
    assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    health = client.get("/actuator/health").json()["components"]["distribution"]
    assert (health["status"], health["details"]["reason"]) == ("OUT_OF_SERVICE", "stopped: world")
    assert client.get("/cubes").status_code == 200
    assert client.get("/actuator/cubes").status_code == 200
    assert client.get("/studio?format=json").status_code == 200
    assert change(client, "start", "world")["state"] == "started"
    asyncio.run(until(lambda: client.post("/cubes/world/query", json=BY_REGION).status_code == 200))


def test_members_are_masked_and_shown_again(client: Client) -> None:
    """The report says who knows (AA9)."""
    report = change(client, "mask", level="region", members=["north"])
    assert (report["complete"], report["acknowledged"], report["failures"]) == (True, ["world@test"], {})
    assert ask(client)["rows"] == [ALL[0], ALL[2], [None, 9, 4.5]]
    rolled = change(client, "roll-over", level="region", mask=["south"], unmask=["north"])
    assert (rolled["version"], rolled["masks"]) == (report["version"] + 1, {"Region.Region.region": ["south"]})
    assert ask(client)["rows"] == [ALL[0], ALL[1], [None, 7, 7 / 3]]
    assert change(client, "unmask", level="region", members=["south"])["masks"] == {}
    assert ask(client)["rows"] == ALL


@pytest.mark.parametrize(
    ("cube", "door", "body", "status", "code"),
    [
        ("plain", "stop", {}, 409, "CONFLICT"),
        ("nobody", "stop", {}, 404, "UNKNOWN_CUBE"),
        ("world", "mask", {"level": "region", "members": []}, 409, "CONFLICT"),
        ("sales", "mask", {"level": "regoin", "members": []}, 400, "UNKNOWN_LEVEL"),
        ("sales", "mask", {"level": "region"}, 400, "INVALID_REQUEST"),
        ("sales", "mask", {"level": "region", "members": [["north"]]}, 400, "INVALID_REQUEST"),
        ("sales", "unmask", {"level": "region", "member": []}, 400, "INVALID_REQUEST"),
        ("sales", "roll-over", {"mask": []}, 400, "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: Client, cube: str, door: str, body: object, status: int, code: str
) -> None:
    refused = client.post(f"/cubes/{cube}/distribution/{door}", json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    assert client.post("/cubes/sales/distribution/mask", content=b"level=region").status_code == 400


def test_the_actuator_shows_what_is_known_of_each_data_cube(client: Client) -> None:
    cubes = client.get("/actuator/distribution").json()["cubes"]
    assert cubes["sales"] == client.get("/cubes/sales/distribution").json()
    _, seen = client.get("/actuator/distribution/world").json()["data_cubes"]
    assert (seen["node"], seen["state"], seen["required"], seen["members"]) == ("test", "active", True, {"region": 2})
    health = client.get("/actuator/health").json()["components"]["distribution"]
    assert health == {
        "status": "UP",
        "details": {
            "dataCubes": {name: {"application": "shops", "state": "joined"} for name in ("sales", "others")},
            "queryCubes": {"world": {"state": "started", "required": 2, "active": 2}},
        },
    }


def test_what_is_distributed_changes_with_a_restart_only(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        assert client.post("/actuator/cubes").json() == {"added": [], "changed": [], "removed": []}
        file = tmp_path / "application.yml"
        file.write_text(file.read_text().replace("data-cubes: {sales: {application: shops}, ", "data-cubes: {"))
        refused = client.post("/actuator/cubes")
        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_MODEL")
        assert refused.json()["errors"][0]["field"] == "distribution.data-cubes"
