"""Arguments of the command line and properties of tests."""

from __future__ import annotations

import pytest

from tests.boot.config.conftest import ConfigFolder


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("--server.port=0", "server.port", 0),
        ("--debug", "debug", True),
        ("--nats.enabled=false", "nats.enabled", False),
        ("--nats.connectTimeout=5s", "nats.connect-timeout", "5s"),
        ("--nats.servers=a,b", "nats.servers", ["a", "b"]),
        ("--nats.servers=[a, b]", "nats.servers", ["a", "b"]),
        ("--nats.servers[0]=a", "nats.servers", ["a"]),
        ("--nats.servers.0=a", "nats.servers", ["a"]),
        ("--server.host=a=b", "server.host", "a=b"),
        ("--server.host=", "server.host", ""),
        ("--database.tables.orders.columns.o_key=bigint", "database.tables.orders.columns.o_key", "bigint"),
        ("--schemas.Sales.tpch.measures.n.count=*", "schemas.Sales.tpch.measures", {"n": {"count": "*"}}),
        ("--schemas[Sa.les].tpch.measures={n: {count: '*'}}", "schemas[Sa.les].tpch.measures.n", {"count": "*"}),
    ],
)
def test_arguments(folder: ConfigFolder, argument: str, key: str, value: object) -> None:
    """``--key=value``; a bare ``--key`` is true; brackets hold a key with dots together."""
    environment = folder.load(arguments=[argument])
    assert environment.problems == ()
    assert environment.get(key) == value
    assert str(environment.origin(key)) == "command line"


def test_a_key_with_dots_is_found_where_a_file_wrote_it(folder: ConfigFolder) -> None:
    """The longest key that exists is meant."""
    folder.write("application.yml", "schemas: {Sa.les: {tpch: {dimensions: {D: [a]}}}}")
    environment = folder.load(arguments=["--schemas.Sa.les.tpch.dimensions.D=b"])
    assert environment.get("schemas") == {"Sa.les": {"tpch": {"dimensions": {"D": ["b"]}}}}
    assert environment.get("schemas.Sa.les.tpch.dimensions.D") == ["b"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--server.prot=1", "unknown key 'prot' in 'server'. Did you mean: port"),
        ("--sever.port=1", "unknown section 'sever': nothing that is installed claims it. Did you mean: server"),
        ("--port=1", "unknown section 'port': nothing that is installed claims it. Did you mean: server.port"),
        ("--server.port.x=1", "unknown key 'x' in 'server.port'"),
        ("--security.users.ana.pasword=1", "unknown key 'pasword' in 'security.users.ana'. Did you mean: password"),
        ("server.port=1", "argument 'server.port' is not a setting"),
        ("--=1", "argument '--' is not a setting"),
    ],
)  # fmt: skip
def test_unknown_arguments_are_problems(folder: ConfigFolder, argument: str, expected: str) -> None:
    """Each names the part that is wrong."""
    assert folder.problems(arguments=[argument]) == [f"command line: {expected}"]


def test_the_same_argument_twice_is_a_problem(folder: ConfigFolder) -> None:
    """A script that appends its own would otherwise be silently ignored."""
    assert folder.problems(arguments=["--server.port=1", "--server.port=2"]) == [
        "command line: server.port is set twice"
    ]


def test_properties_of_a_test_take_python_values(folder: ConfigFolder) -> None:
    """Dotted keys and nested maps mix; texts are read as arguments are."""
    properties = {
        "server.port": 0,
        "nats": {"connectTimeout": "5s", "servers": ("a", "b")},
        "nats.enabled": "false",
        "security.users.ana": {"password": "x"},
    }
    environment = folder.load(properties=properties)
    assert environment.problems == ()
    assert environment.get("nats") == {"connect-timeout": "5s", "servers": ["a", "b"], "enabled": False}
    assert str(environment.origin("server.port")) == "test properties"


def test_an_unknown_property_of_a_test_is_a_problem(folder: ConfigFolder) -> None:
    """A typo in a test should not pass it."""
    assert folder.problems(properties={"server.prot": 1}) == [
        "test properties: unknown key 'prot' in 'server'. Did you mean: port"
    ]
