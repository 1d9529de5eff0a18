"""Keys in files: spellings of fields, the user's own keys of maps, and what nobody knows (FA1, FA2)."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import model_validator

from app_framework.boot.config.properties import ConfigProperties, Field
from tests.boot.config.conftest import ConfigFolder


@pytest.mark.parametrize("key", ["connect-timeout", "connect_timeout", "connectTimeout"])
def test_three_spellings_of_a_field_are_one(folder: ConfigFolder, key: str) -> None:
    """As people come from Python, Java and YAML."""
    environment = folder.load(inline=f"nats: {{{key}: 5s}}")
    assert environment.problems == ()
    assert environment.get("nats.connect-timeout") == "5s"
    assert environment.get(f"nats.{key}") == "5s"


@pytest.mark.parametrize("key", ["connecttimeout", "Connect-Timeout", "CONNECT_TIMEOUT", "conect-timeout"])
def test_other_spellings_are_mistakes(folder: ConfigFolder, key: str) -> None:
    """A wrong letter is refused, with the right spelling."""
    assert folder.problems(inline=f"nats: {{{key}: 5s}}") == [
        f"<inline>:1:8: unknown key '{key}' in 'nats'. Did you mean: connect-timeout"
    ]


def test_two_spellings_in_one_document_are_a_duplicate(folder: ConfigFolder) -> None:
    """YAML itself would not notice."""
    assert folder.problems(inline="nats:\n  connectTimeout: 5s\n  connect_timeout: 6s\n") == [
        "<inline>:3:3: nats.connect-timeout is written twice; the first is at <inline>:2:3"
    ]


def test_two_spellings_in_two_documents_are_an_override(folder: ConfigFolder) -> None:
    """The later document wins."""
    environment = folder.load(inline="nats: {connectTimeout: 5s}\n---\nnats: {connect_timeout: 6s}\n")
    assert (environment.problems, environment.get("nats.connect-timeout")) == ((), "6s")


def test_dotted_keys_are_sections_written_on_one_line(folder: ConfigFolder) -> None:
    """They mix with nested ones; two values for one key are still a duplicate."""
    environment = folder.load(inline="server.port: 1\nserver: {tls.keyPassword: x}\nserver.host: h\n")
    assert environment.problems == ()
    assert environment.get("server") == {"port": 1, "host": "h", "tls": {"key-password": "x"}}
    assert folder.problems(inline="server.port: 1\nserver: {port: 2}\n") == [
        "<inline>:2:10: server.port is written twice; the first is at <inline>:1:1"
    ]


def test_keys_of_maps_are_the_users_own(folder: ConfigFolder) -> None:
    """Case, underscores and dots stay."""
    text = "schemas: {Sales: {my_Cube: {dimensions: {Ship.Date: [a_b]}, measures: {sum_qty: {sum: q}}}}}"
    environment = folder.load(inline=text)
    assert environment.problems == ()
    assert environment.get(("schemas", "Sales", "my_Cube", "dimensions", "Ship.Date")) == ["a_b"]
    assert environment.get("schemas.Sales.my_Cube.dimensions[Ship.Date]") == ["a_b"]
    assert environment.get("schemas.Sales.my_Cube.measures.sum_qty.sum") == "q"


def test_one_line_may_lead_through_a_map(folder: ConfigFolder) -> None:
    """Only where the value cannot be an entry of its own."""
    environment = folder.load(inline="security.users.ana.password: x\nsecurity: {users: {ana.roles: [r]}}\n")
    assert environment.problems == ()
    assert environment.get("security.users") == {"ana": {"password": "x", "roles": ["r"]}}
    environment = folder.load(inline="database.tables.t.columns: {a.b: bigint}\n")
    assert environment.get(("database", "tables", "t", "columns", "a.b")) == "bigint"


def test_keys_of_different_case_are_different_entries(folder: ConfigFolder) -> None:
    """A map is not relaxed."""
    environment = folder.load(inline="schemas: {Sales: {}, sales: {}}")
    assert environment.get("schemas") == {"Sales": {}, "sales": {}}


def test_unknown_keys_below_maps_and_lists_are_found(folder: ConfigFolder) -> None:
    """Wherever a model is."""
    assert folder.problems(inline="security:\n  users:\n    ana: {password: x, rols: []}\n") == [
        "<inline>:3:24: unknown key 'rols' in 'security.users.ana'. Did you mean: roles"
    ]


def test_every_place_of_an_unknown_key_is_told(folder: ConfigFolder) -> None:
    """Also that of a source which another one covers."""
    folder.write("application.yml", "server: {prt: 1}")
    folder.write("config/application.yml", "server: {prt: 2}")
    assert [line.partition(": ")[0] for line in folder.problems()] == [
        "application.yml:1:10",
        "config/application.yml:1:10",
    ]


def test_a_section_of_an_uninstalled_starter_names_the_distribution(folder: ConfigFolder) -> None:
    """With the command that installs it (FA1)."""
    (problem,) = folder.load(inline="cluster: {id: c}").problems
    assert str(problem) == (
        "<inline>:1:1: section 'cluster' has no owner; it belongs to app-framework-starter-cluster, "
        "which is not installed"
    )
    assert problem.action == "Install it: pip install app-framework-starter-cluster. Or remove the section 'cluster'."


def test_unknown_keys_may_be_warnings(folder: ConfigFolder) -> None:
    """For a file that several versions share; the values are there."""
    environment = folder.load(inline="app.config.unknown: warn\nserver: {prt: 1}\nfoo: {bar: 2}\n")
    assert environment.problems == ()
    assert [warning.code for warning in environment.warnings] == ["unknown-key", "unknown-section"]
    assert environment.get("foo.bar") == 2


def test_an_empty_section_sets_nothing(folder: ConfigFolder) -> None:
    """All its keys may be commented out; what lies below stays."""
    folder.write("application.yml", "server: {port: 1}\n---\nserver:\n  # port: 2\n")
    environment = folder.load()
    assert (environment.problems, environment.get("server.port")) == ((), 1)


def test_nothing_is_known_before_models_are_claimed(folder: ConfigFolder) -> None:
    """Only the section ``app`` is; the rest is as the files say."""
    from app_framework.boot.config.environment import Environment

    environment = Environment.load(
        directory=folder.path, inline="any: {thing: 1}\napp: {name: x}", environ={"APP_NAME": "y", "APP_ANY_THING": "2"}
    )
    assert environment.problems == ()
    assert (environment.get("any.thing"), environment.get("app.name")) == (1, "y")


class ManagementProperties(ConfigProperties, prefix="management"):
    enabled: bool = True


class HealthProperties(ConfigProperties, prefix="management.endpoint.health"):
    show: Literal["always", "never"] = "never"


def test_models_may_share_a_section(folder: ConfigFolder) -> None:
    """Unknown keys are judged by what all of them know."""
    text = "management: {enabled: false, endpoint: {health: {show: always, sow: 1}}, endpont: 1}"
    environment = folder.load(inline=text, models=[ManagementProperties, HealthProperties])
    assert [str(problem) for problem in environment.problems] == [
        "<inline>:1:64: unknown key 'sow' in 'management.endpoint.health'. Did you mean: show",
        "<inline>:1:74: unknown key 'endpont' in 'management'. Did you mean: endpoint",
    ]


def test_each_of_the_models_is_bound_to_its_own_part(folder: ConfigFolder) -> None:
    """The keys of the other one are none of its business."""
    text = "management: {enabled: false, endpoint.health.show: always}"
    environment = folder.load(inline=text, models=[ManagementProperties, HealthProperties])
    assert environment.bind(ManagementProperties) == ManagementProperties(enabled=False)
    assert environment.bind(HealthProperties) == HealthProperties(show="always")


class MeasureProperties(ConfigProperties):
    """``{sum: x}`` is short for ``{aggregation: sum, of: x}``."""

    aggregation: Literal["sum", "avg"]
    of: str
    format: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and "of" not in value:
            names = [key for key in value if key in ("sum", "avg")]
            rest = {key: each for key, each in value.items() if key not in names}
            return {"aggregation": names[0], "of": value[names[0]], **rest} if names else value
        return value


class ShortProperties(ConfigProperties, prefix="short"):
    measures: dict[str, MeasureProperties] = Field(default={})
    levels: dict[str, list[str] | MeasureProperties] = Field(default={})


def test_a_model_may_read_short_forms_itself(folder: ConfigFolder) -> None:
    """What it does not understand is still told with its place."""
    text = """\
short:
  measures:
    qty: {sum: q, format: f}
    odd: {sum: q, fromat: f}
  levels: {a: [x], b: {avg: y}}
"""
    environment = folder.load(inline=text, models=[ShortProperties])
    assert [str(problem) for problem in environment.problems] == [
        "<inline>:4:19: unknown key 'fromat' in 'short.measures.odd'. Did you mean: format"
    ]


class RecursiveProperties(ConfigProperties, prefix="recursive"):
    children: dict[str, RecursiveProperties] = Field(default={})
    some_size: int = 0


def test_a_model_may_hold_itself(folder: ConfigFolder) -> None:
    """Its shape is unfolded where somebody looks."""
    environment = folder.load(
        inline="recursive: {children: {a: {children: {b: {someSize: 1}}}}}",
        models=[RecursiveProperties],
        environ={"APP_RECURSIVE_CHILDREN_A_CHILDREN_B_SOMESIZE": "2"},
    )
    assert environment.problems == ()
    assert environment.bind(RecursiveProperties).children["a"].children["b"].some_size == 2


class AliasProperties(ConfigProperties, prefix="alias"):
    from_: str = ""
    class_: int = Field(default=0, alias="klass")
    p95_ms: float = 0


def test_python_words_and_aliases_are_keys(folder: ConfigFolder) -> None:
    """A last underscore is not part of the key."""
    environment = folder.load(inline="alias: {from: a, klass: 1, p95-ms: 2}", models=[AliasProperties])
    assert environment.bind(AliasProperties) == AliasProperties(from_="a", klass=1, p95_ms=2)


def test_defaults_of_starters_may_set_what_is_not_installed(folder: ConfigFolder) -> None:
    """A starter cannot know which others are there."""
    environment = folder.load(defaults=[("defaults of web", {"logging.level": "INFO", "server.port": 1})])
    assert environment.problems == ()
    assert str(environment.origin("server.port")) == "defaults of web"
