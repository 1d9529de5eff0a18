"""Environment variables find their property, however they are spelled; a slip of the pen is noticed (FA2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot.config.places import find_path, variable_place
from app_framework.boot.config.properties import ConfigProperties, Field
from app_framework.boot.config.property_source import dotted, empty
from app_framework.boot.config.relaxed import edit_distance, kebab, squashed, variable_name
from app_framework.boot.config.shape import shape_of_models
from app_framework.boot.origin import Origin
from tests.boot.config.conftest import MODELS, ConfigFolder


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("APP_SERVER_PORT", "0", "server.port", 0),
        ("APP_NATS_CONNECTTIMEOUT", "5s", "nats.connect-timeout", "5s"),
        ("APP_NATS_CONNECT_TIMEOUT", "5s", "nats.connect-timeout", "5s"),
        ("APP_SERVER_TLS_KEYPASSWORD", "x", "server.tls.key-password", "x"),
        ("APP_NATS_ENABLED", "false", "nats.enabled", False),
        ("APP_NATS_SERVERS", "a, b", "nats.servers", ["a", "b"]),
        ("APP_NATS_SERVERS", "a", "nats.servers", ["a"]),
        ("APP_NATS_SERVERS", "", "nats.servers", []),
        ("APP_NATS_SERVERS", "['a,b', c]", "nats.servers", ["a,b", "c"]),
        ("APP_NATS_SERVERS_0", "a", "nats.servers", ["a"]),
        ("APP_SERVER_HOST", "012", "server.host", "012"),
        ("APP_SERVER_HOST", "true", "server.host", "true"),
        ("APP_SERVER_TLS", "{keyPassword: x}", "server.tls", {"key-password": "x"}),
        ("APP_SECURITY_USERS_ADMIN_PASSWORD", "x", "security.users.admin.password", "x"),
        ("APP_SECURITY_USERS_JOHN_DOE_PASSWORD", "x", "security.users.john_doe.password", "x"),
        ("APP_DATABASE_TABLES_T_COLUMNS_O_ORDERKEY", "bigint", "database.tables.t.columns.o_orderkey", "bigint"),
        ("APP_SCHEMAS", "{Sales: {tpch: {measures: {n: {count: '*'}}}}}", "schemas.Sales.tpch.measures.n.count", "*"),
        ("APP_NAME", "shop", "app.name", "shop"),
        ("APP_APP_NAME", "shop", "app.name", "shop"),
        ("APP_VERSION", "1.10", "app.version", "1.10"),
        ("APP_DATA_DIR", "data", "app.data-dir", "data"),
        ("APP_LIFECYCLE_DRAIN_DELAY", "1s", "app.lifecycle.drain-delay", "1s"),
        ("APP_DEBUG", "true", "debug", True),
    ],
)  # fmt: skip
def test_spellings(folder: ConfigFolder, variable: str, text: str, key: str, value: object) -> None:
    """Dashes may be underscores or nothing; the section ``app`` may be left out; texts are read as their type."""
    environment = folder.load(environ={variable: text})
    assert environment.problems == ()
    assert environment.get(key) == value
    assert str(environment.origin(key)) == f"environment variable {variable}"


def test_keys_of_maps_are_found_whatever_their_letters(folder: ConfigFolder) -> None:
    """A variable knows no small letters; the key that a file wrote is meant."""
    folder.write("application.yml", "schemas:\n  Sales:\n    Date.Cube:\n      dimensions: {Returns: [a]}\n")
    environment = folder.load(environ={"APP_SCHEMAS_SALES_DATE_CUBE_DIMENSIONS_RETURNS": "x,y"})
    assert environment.get(("schemas", "Sales", "Date.Cube", "dimensions", "Returns")) == ["x", "y"]


def test_items_set_one_by_one_make_a_whole_list(folder: ConfigFolder) -> None:
    """They replace the list below entirely."""
    folder.write("application.yml", "nats: {servers: [x, y, z]}")
    assert folder.load(environ={"APP_NATS_SERVERS_0": "a", "APP_NATS_SERVERS_1": "b"}).get("nats.servers") == ["a", "b"]


def test_a_gap_in_a_list_is_a_problem(folder: ConfigFolder) -> None:
    """Item 1 without item 0 is not a list."""
    assert folder.problems(environ={"APP_NATS_SERVERS_1": "b"}) == [
        "environment variable APP_NATS_SERVERS_1: item 0 of nats.servers is not set, but item 1 is"
    ]


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("APP_NATS_CONNECTTIMEOUT", "APP_NATS_CONNECT_TIMEOUT", "nats.connect-timeout"),
        ("APP_APP_NAME", "APP_NAME", "app.name"),
        ("APP_NATS_SERVERS", "APP_NATS_SERVERS_0", "nats.servers"),
    ],
)
def test_two_variables_for_one_property_are_a_problem(folder: ConfigFolder, one: str, other: str, key: str) -> None:
    """Which one wins would be a matter of chance."""
    (problem,) = folder.problems(environ={one: "1s", other: "2s"})
    assert problem == f"environment variable {one}: {key} is set twice, by {one} and {other}"


def test_a_map_may_come_in_parts(folder: ConfigFolder) -> None:
    """Text for the whole and a variable for one of its keys go together."""
    environ = {"APP_SECURITY_USERS": "{ana: {password: x}}", "APP_SECURITY_USERS_BOB_PASSWORD": "y"}
    assert folder.load(environ=environ).get("security.users") == {"ana": {"password": "x"}, "bob": {"password": "y"}}


def test_broken_text_for_a_list_is_a_problem_without_the_text(folder: ConfigFolder) -> None:
    """It may hold a secret."""
    (problem,) = folder.load(environ={"APP_SECURITY_USERS": "{ana: {password: hunter2"}).problems
    assert str(problem).startswith(
        "environment variable APP_SECURITY_USERS: the text for security.users is neither a list nor a map"
    )
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("APP_SEVER_PORT", "APP_SERVER_PORT"),
        ("APP_SERVER_PROT", "APP_SERVER_PORT"),
        ("APP_SERVERPORT", "APP_SERVER_PORT"),
        ("APP_SERVER__PORT", "APP_SERVER_PORT"),
        ("APP_NATS_CONNEC_TTIMEOUT", "APP_NATS_CONNECT_TIMEOUT"),
        ("APP_NATS_CONECT_TIMOUT", "APP_NATS_CONNECT_TIMEOUT"),
        ("APP_NAMES", "APP_NAME"),
        ("APP_SECURITY_USERS_ANA_PASWORD", "APP_SECURITY_USERS_ANA_PASSWORD"),
        ("APP_PROFILE_ACTIVE", "APP_PROFILES_ACTIVE"),
    ],
)
def test_a_variable_near_a_known_name_is_an_error(folder: ConfigFolder, wrong: str, right: str) -> None:
    """It says the right spelling first."""
    environment = folder.load(environ={wrong: "1"})
    (problem,) = environment.problems
    assert problem.near[0] == right
    assert str(problem).startswith(f"environment variable {wrong}: no property has this name. Did you mean: {right}")
    assert environment.warnings == ()


@pytest.mark.parametrize("name", ["APP_HOME", "APP_ENV", "APP_PORT", "APP_MOUNT_POINT", "APP_URL", "APP__", "APP_X_Y"])
def test_any_other_unknown_variable_is_a_warning(folder: ConfigFolder, name: str) -> None:
    """Other programs use the same prefix."""
    environment = folder.load(environ={name: "1"})
    assert environment.problems == ()
    assert [str(warning) for warning in environment.warnings] == [
        f"environment variable {name}: no property has this name"
    ]


def test_variables_without_the_prefix_are_nobodys_business(folder: ConfigFolder) -> None:
    """A service called ``nats`` makes Kubernetes set NATS_PORT; small letters are another name."""
    environment = folder.load(environ={"NATS_ENABLED": "false", "app_server_port": "1", "APPLE": "1"})
    assert environment.get("nats") is None
    assert (environment.problems, environment.warnings) == ((), ())


def test_the_prefix_may_be_another(folder: ConfigFolder) -> None:
    """Two applications on one machine need not share variables."""
    environ = {"SHOP_SERVER_PORT": "1", "APP_SERVER_PORT": "2", "SHOP_APPLICATION_JSON": '{"server": {"host": "h"}}'}
    assert folder.load(environ=environ, prefix="SHOP_").get("server") == {"port": 1, "host": "h"}


def test_the_application_json_is_yaml_with_lines(folder: ConfigFolder) -> None:
    """Its mistakes are told like those of a file."""
    environ = {"APP_APPLICATION_JSON": '{"server": {"prt": 1}}'}
    assert folder.problems(environ=environ) == [
        "environment variable APP_APPLICATION_JSON:1:13: unknown key 'prt' in 'server'. Did you mean: port"
    ]


class Leaf(ConfigProperties):
    a_b: int = 0
    ab_c: int = 0
    flat: list[int] = Field(default=[])


class Branch(ConfigProperties):
    leaf: Leaf = Leaf()
    long_name_of_it: int = 0
    by_key: dict[str, Leaf] = Field(default={})
    many: list[Leaf] = Field(default=[])


class TreeProperties(ConfigProperties, prefix="tree.of"):
    branch: Branch = Branch()
    free: dict[str, Any] = Field(default={})


LEAVES = st.sampled_from(["a-b", "ab-c"])
KEYS = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
PATHS = st.one_of(
    st.tuples(st.just("branch"), st.just("leaf"), LEAVES),
    st.tuples(st.just("branch"), st.just("long-name-of-it")),
    st.tuples(st.just("branch"), st.just("by-key"), KEYS, LEAVES),
    st.tuples(st.just("branch"), st.just("many"), st.integers(0, 9), LEAVES),
    st.tuples(st.just("branch"), st.just("leaf"), st.just("flat"), st.integers(0, 99)),
    st.tuples(st.just("free"), KEYS),
)
SHAPE = shape_of_models([TreeProperties, *MODELS])
NOTHING = empty(Origin("nothing"))


@given(PATHS, st.data())
def test_every_spelling_of_a_variable_finds_its_property(steps: tuple[str | int, ...], data: st.DataObject) -> None:
    """Each dash may be written as an underscore or left out."""
    path = ("tree", "of", *steps)
    name = "_".join(
        "".join(part if not at else data.draw(st.sampled_from(["_", ""])) + part for at, part in enumerate(words))
        for words in (str(step).upper().split("-") for step in path)
    )
    found = variable_place(name, SHAPE, NOTHING)
    assert found is not None
    assert found[0] == path


@given(PATHS)
def test_the_dotted_key_of_a_property_finds_it(steps: tuple[str | int, ...]) -> None:
    """What messages print can be typed back."""
    path = ("tree", "of", *steps)
    assert find_path(dotted(path), SHAPE, NOTHING) == path


@given(PATHS)
def test_the_name_that_messages_suggest_is_understood(steps: tuple[str | int, ...]) -> None:
    """A suggestion that does not work would be worse than none."""
    path = ("tree", "of", *steps)
    found = variable_place(variable_name(path, "APP_").removeprefix("APP_"), SHAPE, NOTHING)
    assert found is not None
    assert found[0] == path


def test_a_name_of_very_many_parts_is_not_searched(folder: ConfigFolder) -> None:
    """Readings double with every part; the bound keeps the start quick."""
    environment = folder.load(environ={"APP_SCHEMAS_" + "_".join("A" * 200): "1"})
    assert len(environment.warnings) == 1


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_edit_distance_is_symmetric_and_zero_only_for_equals(one: str, other: str) -> None:
    """As a distance should be."""
    assert edit_distance(one, other, 9) == edit_distance(other, one, 9)
    assert (edit_distance(one, other, 9) == 0) == (one == other)


@given(st.from_regex(r"[a-z][a-z0-9]{0,4}(-[a-z][a-z0-9]{0,4}){0,3}", fullmatch=True))
def test_canonical_names_are_fixed_points(name: str) -> None:
    """Kebab-case stays, and snake_case comes back to it."""
    assert kebab(name) == kebab(name.replace("-", "_")) == name
    assert squashed(name) == squashed(name.replace("-", "_"))
