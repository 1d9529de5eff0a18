"""``${…}`` takes its value from other keys, variables, chance, or its default."""

from __future__ import annotations

import pytest

from app_framework.boot.config.environment import Environment
from tests.boot.config.conftest import ConfigFolder


def value(folder: ConfigFolder, written: str, **options: object) -> object:
    folder.write("application.yml", f"server: {{port: 81, host: h}}\ndatabase:\n  path: {written}\n")
    environment = folder.load(**options)
    assert environment.problems == ()
    return environment.get("database.path")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${server.host}", "h"),
        ("'http://${server.host}:${server.port}/'", "http://h:81/"),
        ("'${nothing:x}'", "x"),
        ("'${nothing:}'", ""),
        ("'${nothing:http://x:1}'", "http://x:1"),
        ("'${nothing:${server.host}}'", "h"),
        ("'${server.${which:host}}'", "h"),
        ("'${a:${b:${c:deep}}}'", "deep"),
        (r"'\${server.host}'", "${server.host}"),
        (r"'${nothing:\${x}'", "${x"),
        ("$5 and $", "$5 and $"),
        ("${HOME_DIR}", "/home/ana"),
        ("${ server.host }", "h"),
        ("'{}'", "{}"),
    ],
)
def test_placeholders(folder: ConfigFolder, written: str, meant: str) -> None:
    """Keys first, then variables by their own name, then the default."""
    assert value(folder, written, environ={"HOME_DIR": "/home/ana"}) == meant


def test_a_lone_placeholder_keeps_the_type(folder: ConfigFolder) -> None:
    """Numbers, lists and maps arrive as they are."""
    environment = folder.load(
        inline="""
server: {port: "${app.lifecycle.number:8081}", host: "${nats.enabled}"}
nats: {enabled: true, servers: "${SERVERS}"}
security: {users: {ana: "${security.users.bob}", bob: {password: x, roles: [r]}}}
""",
        environ={"SERVERS": "a,b"},
    )
    assert environment.problems == ()
    assert environment.get("server") == {"port": 8081, "host": True}
    assert environment.get("nats.servers") == ["a", "b"]
    assert environment.get("security.users.ana") == {"password": "x", "roles": ["r"]}


def test_the_whole_environment_is_seen(folder: ConfigFolder) -> None:
    """A file may refer to what the command line says, under any spelling."""
    folder.write("application.yml", "server: {host: '${nats.connectTimeout}'}")
    assert folder.load(arguments=["--nats.connect-timeout=7s"]).get("server.host") == "7s"


def test_defaults_of_models_are_not_seen(folder: ConfigFolder) -> None:
    """Only what is written counts, so that what a file says does not depend on what is installed."""
    (problem,) = folder.problems(inline="database: {path: '${server.host}'}")
    assert problem == ("<inline>:1:18: database.path: nothing sets 'server.host' for the placeholder '${server.host}'")


def test_a_missing_key_suggests_near_ones(folder: ConfigFolder) -> None:
    """Keys for keys, variables for variables."""
    problems = folder.problems(
        inline="server: {host: '${server.prot}', port: 1}\ndatabase: {path: '${ADMIN_PASWORD}'}\n",
        environ={"ADMIN_PASSWORD": "x"},
    )
    assert ". Did you mean: server.port" in problems[0]
    assert ". Did you mean: ADMIN_PASSWORD" in problems[1]


def test_the_origin_is_where_the_placeholder_is_written(folder: ConfigFolder) -> None:
    """There the reader has to look."""
    folder.write("application.yml", "server: {host: '${nats.token}'}\nnats: {token: x}\n")
    assert str(folder.load().origin("server.host")) == "application.yml:1:16"


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("server: {host: '${server.host}'}", "server.host → server.host"),
        ("server: {host: '${database.path}'}\ndatabase: {path: '${server.host}'}",
         "server.host → database.path → server.host"),
        ("server: {host: '${server}'}", "server.host → server"),
    ],
)  # fmt: skip
def test_cycles_are_drawn(folder: ConfigFolder, text: str, chain: str) -> None:
    """Once, with every key in it."""
    (problem,) = folder.problems(inline=text)
    assert problem.endswith(f"the placeholders refer to each other: {chain}")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("'${server.host'", "a '${' is not closed with '}'"),
        ("'x${server}'", "'${server}' is a list or a map and cannot be part of a text"),
        ("'${random.uid}'", "'${random.uid}' is not a random value"),
        ("'" + "${a:" * 40 + "'", "placeholders are nested deeper than 32 levels"),
    ],
)
def test_what_cannot_be_replaced_is_a_problem(folder: ConfigFolder, written: str, reason: str) -> None:
    """And the value is not complained about a second time."""
    assert folder.problems(inline=f"server: {{port: 1}}\ndatabase: {{path: {written}}}") == [
        f"<inline>:2:18: database.path: {reason}"
    ]


def test_an_unresolved_placeholder_hides_no_other_mistake(folder: ConfigFolder) -> None:
    """But the number it should have become is not missed as well."""
    problems = folder.problems(inline="server: {port: '${PORT}', max-body: big}")
    assert len(problems) == 2
    assert "nothing sets 'PORT'" in problems[0]
    assert "'big' is not a size" in problems[1]


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("random.int", -(2**31), 2**31 - 1),
        ("random.long", -(2**63), 2**63 - 1),
        ("random.int(10)", 0, 9),
        ("random.int[5,9]", 5, 8),
    ],
)
def test_random_numbers(folder: ConfigFolder, written: str, low: int, high: int) -> None:
    """The upper bound is not reached, as in Spring."""
    found = folder.load(inline=f"app: {{lifecycle: {{}}}}\nx: '${{{written}}}'", models=[]).get("x")
    assert isinstance(found, int)
    assert low <= found <= high


def test_random_texts_differ_from_each_other_but_not_from_themselves(folder: ConfigFolder) -> None:
    """A value is drawn once for each place; claiming again does not draw again."""
    environment = Environment.load(
        directory=folder.path, inline="a: ${random.uuid}\nb: ${random.value}\nc: ${random.value}"
    )
    first = [environment.get(key) for key in "abc"]
    environment.claim([])
    assert [environment.get(key) for key in "abc"] == first
    assert len({*first}) == 3


def test_expansion_is_bounded(folder: ConfigFolder) -> None:
    """Ten doublings of a text, and of a list, end in a problem."""
    text = (
        "\n".join(f"k{n}: '${{k{n + 1}}}${{k{n + 1}}}${{k{n + 1}}}${{k{n + 1}}}'" for n in range(12)) + "\nk12: xxxx\n"
    )
    assert any("grows beyond" in problem for problem in folder.problems(inline=text, models=[]))
    text = "\n".join(f"k{n}: {[f'${{k{n + 1}}}'] * 4}" for n in range(12)) + "\nk12: [x, x]\n"
    assert any("values" in problem for problem in folder.problems(inline=text, models=[]))
