"""`GET /cubes/{cube}/members`: of the newest version of master, of an older one, or of a branch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration

MODEL = """
server: {port: 0}
database: {tables: {sales: {columns: {item: text}}}}
schemas: {Shop: {base: sales, cubes: {shop: {dimensions: {Item: [item]}, measures: {sold: {count: "*"}}}}}}
"""
MEMBERS = "/cubes/shop/members?level=item"


@pytest.fixture
def node() -> Iterator[Client]:
    auto = [DatabaseAutoConfiguration, OlapAutoConfiguration, WebAutoConfiguration]
    with ContextRunner(auto=auto).yaml(MODEL).run() as context, Client(context) as client:
        yield client


def put(node: Client, item: str, branch: str = "master") -> int:
    answer = node.post(f"/database/tables/sales/rows?branch={branch}", json=[{"item": item}]).json()
    version: int = answer["version"]
    return version


def members(node: Client, more: str = "") -> object:
    return node.get(MEMBERS + more).json()["members"]


def test_members_are_those_of_the_version_and_branch_that_is_asked_for(node: Client) -> None:
    first = put(node, "tea")
    put(node, "cup")
    node.post("/database/branches", json={"name": "dearer"})
    put(node, "pot", "dearer")
    assert members(node) == members(node, "&branch=master") == ["cup", "tea"]
    assert members(node, f"&version={first}") == ["tea"]
    assert members(node, "&branch=dearer") == ["cup", "pot", "tea"]
    assert members(node, "&branch=dearer&prefix=p&limit=1") == ["pot"]


def test_every_mistake_is_told_at_once(node: Client) -> None:
    put(node, "tea")
    answer = node.get("/cubes/shop/members?level=itm&branch=dearer&version=1")
    assert [error["code"] for error in answer.json()["errors"]] == [
        "UNKNOWN_LEVEL",
        "UNKNOWN_BRANCH",
        "UNKNOWN_VERSION",
    ]
    assert node.get(f"{MEMBERS}&branch=dearer").status_code == 400
    assert node.get(f"{MEMBERS}&version=1").status_code == 410


def test_a_tag_is_that_of_one_branch_and_does_not_hide_that_a_version_is_gone(node: Client) -> None:
    version = put(node, "tea")
    node.post("/database/branches", json={"name": "dearer"})
    tag = node.get(MEMBERS).headers["ETag"]
    assert node.get(MEMBERS, headers={"If-None-Match": tag}).status_code == 304
    assert node.get(f"{MEMBERS}&branch=dearer", headers={"If-None-Match": tag}).status_code == 200
    old = node.get(f"{MEMBERS}&version={version}").headers["ETag"]
    for n in range(10):
        put(node, f"{n}")
    assert node.get(f"{MEMBERS}&version={version}", headers={"If-None-Match": old}).status_code == 410
