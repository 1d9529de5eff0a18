"""Values become typed properties; what they refuse is told all at once, in words, with places and without secrets."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import field_validator, model_validator

from app_framework.boot.config.app_properties import AppProperties
from app_framework.boot.config.errors import ConfigurationError, advise, describe
from app_framework.boot.config.properties import (
    ConfigGlob,
    ConfigPath,
    ConfigProperties,
    DataSize,
    Duration,
    Field,
    SecretStr,
)
from app_framework.testing import GoldenFiles
from tests.boot.config.conftest import (
    MODELS,
    ConfigFolder,
    DatabaseProperties,
    NatsProperties,
    OlapProperties,
    SecurityProperties,
    ServerProperties,
)


def test_properties_are_typed_and_frozen(folder: ConfigFolder) -> None:
    """Texts became durations, sizes and secrets."""
    environment = folder.load(inline="nats: {connect-timeout: 500ms, token: 12345}\nserver: {max-body: 1KiB}\n")
    nats = environment.bind(NatsProperties)
    assert nats.connect_timeout == timedelta(milliseconds=500)
    assert nats.token is not None
    assert nats.token.get_secret_value() == "12345"
    assert environment.bind(ServerProperties).max_body == 1024
    with pytest.raises(ValueError, match="frozen"):
        nats.enabled = False


def test_a_model_without_any_setting_has_its_defaults(folder: ConfigFolder) -> None:
    """Also where no section is there."""
    assert folder.load().bind(ServerProperties) == ServerProperties()


def test_a_model_that_was_not_claimed_is_claimed_by_binding_it(folder: ConfigFolder) -> None:
    """Convenient in a REPL."""
    environment = folder.load(models=[], inline="server: {port: 1}")
    assert environment.bind(ServerProperties).port == 1


def test_properties_without_a_section_are_sections(folder: ConfigFolder) -> None:
    """The model with the empty prefix takes its fields from the root."""
    environment = folder.load(inline="schemas: {Sales: {tpch: {dimensions: {D: [a]}}}}\nserver: {port: 1}\n")
    assert environment.bind(OlapProperties).schemas["Sales"]["tpch"].dimensions == {"D": ["a"]}


def test_numbers_are_text_where_text_is_wanted(folder: ConfigFolder) -> None:
    """``version: 1.10`` is not 1.1."""
    environment = folder.load(inline="app: {version: 1.10, name: 42}\nsecurity: {users: {ana: {password: 007}}}\n")
    assert environment.bind(AppProperties).version == "1.10"
    assert environment.bind(AppProperties).name == "42"
    assert environment.bind(SecurityProperties).users["ana"].password.get_secret_value() == "007"


def test_a_boolean_is_no_number(folder: ConfigFolder) -> None:
    """``--server.port`` without a value is true, not port 1."""
    assert folder.problems(arguments=["--server.port"]) == ["command line: server.port: 'true' is not a whole number"]


def test_paths_are_relative_to_the_file_that_says_them(folder: ConfigFolder) -> None:
    """Variables, arguments and defaults start from the working folder."""
    folder.write("application.yml", "app.config.import: conf/db.yml")
    folder.write(
        "conf/db.yml", "database: {tables: {t: {source: {parquet: data/*.parquet}}}}\nserver.tls.certificate: c.pem\n"
    )
    environment = folder.load(environ={"APP_DATA_DIR": "here"})
    source = environment.bind(DatabaseProperties).tables["t"].source
    assert source is not None
    assert source.parquet == str(folder.path / "conf/data/*.parquet")
    assert environment.bind(ServerProperties).tls.certificate == folder.path / "conf/c.pem"
    assert environment.bind(AppProperties).data_dir == folder.path / "here"


def test_a_path_from_a_placeholder_is_relative_to_where_the_placeholder_is(folder: ConfigFolder) -> None:
    """There its reader looks."""
    folder.write("conf/x.yml", "server.tls.certificate: ${CERT:default.pem}")
    environment = folder.load(config=Path("conf/x.yml"), environ={"CERT": "sub/c.pem"})
    assert environment.bind(ServerProperties).tls.certificate == folder.path / "conf/sub/c.pem"


def test_absolute_paths_and_urls_stay(folder: ConfigFolder) -> None:
    """A glob may be a URL that the database reads itself."""
    for written in ("/data/[ab].parquet", "s3://bucket/*.parquet"):
        environment = folder.load(inline=f"database: {{tables: {{t: {{source: {{parquet: '{written}'}}}}}}}}")
        source = environment.bind(DatabaseProperties).tables["t"].source
        assert source is not None
        assert source.parquet == written


def test_the_folder_of_a_glob_is_escaped(tmp_path: Path) -> None:
    """Its brackets are letters, those of the user are a pattern."""
    folder = ConfigFolder(tmp_path / "a[1]")
    folder.write("application.yml", "database: {tables: {t: {source: {parquet: '*.[pq]'}}}}")
    source = folder.load().bind(DatabaseProperties).tables["t"].source
    assert source is not None
    assert source.parquet == f"{tmp_path}/a[[]1]/*.[pq]"


def test_the_data_folder_follows_the_name(folder: ConfigFolder) -> None:
    """``.app/<name>`` in the working folder."""
    assert folder.load(inline="app.name: shop").bind(AppProperties).data_dir == folder.path / ".app/shop"


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class EverythingProperties(ConfigProperties, prefix="everything"):
    count: int = 0
    ratio: float = 0
    on: bool = False
    name: str = ""
    colour: Colour = Colour.RED
    mode: Literal["fast", "exact"] = "fast"
    wait: Duration = Field(default="1s")
    size: DataSize = Field(default="1KB")
    size_or_auto: DataSize | Literal["auto"] = "auto"
    path: ConfigPath | None = None
    glob: ConfigGlob | None = None
    many: list[int] = Field(default=[], max_length=2)
    map_: dict[str, int] = Field(default={})
    one_or_many: int | list[int] = 0
    secret: SecretStr | None = Field(default=None, min_length=8)
    api_key: str | None = Field(default=None, max_length=3)
    port: int = Field(default=1, gt=0, le=65535)
    even: int = 0
    word: str = Field(default="a", pattern="^[a-z]+$")

    @field_validator("even")
    @classmethod
    def _check_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


EVERYTHING_WRONG = """\
everything:
  count: many
  ratio: [1]
  on: 12
  name: {a: b}
  colour: grene
  mode: fest
  wait: soon
  size: 10XB
  size-or-auto: atuo
  path: [a]
  glob: 5
  many: [1, x, 3]
  map: {a: b}
  one-or-many: x
  secret: hunter2
  api-key: hunter2
  port: 70000
  even: 3
  word: A1
"""


def test_every_kind_of_wrong_value_has_its_sentence(folder: ConfigFolder, golden: GoldenFiles) -> None:
    """Read them aloud."""
    folder.write("application.yml", EVERYTHING_WRONG)
    problems = folder.load(models=[EverythingProperties]).problems
    golden("wrong-values.txt", f"{describe(problems)}\n\n{advise(problems)}")
    assert "hunter2" not in describe(problems)


def test_several_mistakes_of_several_sources_are_one_report(folder: ConfigFolder, golden: GoldenFiles) -> None:
    """In the order of the files, with did-you-mean and advice (FA2)."""
    folder.write(
        "application.yml",
        """\
app:
  nmae: tpch
server:
  port: 8O80
  shutdown: gracefull
nats:
  connectTimeout: 5 apples
  connect-timeout: 5s
databse:
  path: tpch.db
cluster:
  id: c
security:
  users:
    admin: {password: [hunter2], rols: [admin]}
    ana: {roles: [reader]}
---
app:
  config: {import: secrets.yml}
database: {path: "${DB_PATH}"}
""",
    )
    folder.write("config/application.yml", "server:\n  port: 99999\n")
    environment = folder.load(
        environ={"APP_SERVER_SHTUDOWN": "graceful", "APP_NATS_TOKEN": "hunter2", "APP_NATS_ENABLED": "perhaps"},
        arguments=["--server.hots=0.0.0.0"],
    )
    with pytest.raises(ConfigurationError) as caught:
        environment.check()
    problems = caught.value.problems
    golden("several-mistakes.txt", f"{describe(problems)}\n\n{advise(problems)}")
    assert str(caught.value) == describe(problems)


def test_a_syntax_error_comes_alone(folder: ConfigFolder, golden: GoldenFiles) -> None:
    """What may follow from the unread rest is not told."""
    folder.write("application.yml", "server:\n  port: 1\n  host: [a\nnats:\n  token: hunter2\n")
    problems = folder.load(environ={"APP_SEVER_PORT": "1"}).problems
    golden("syntax-error.txt", f"{describe(problems)}\n\n{advise(problems)}")


def test_a_value_that_several_sources_set_names_the_others(folder: ConfigFolder) -> None:
    """Correcting the wrong one would change nothing."""
    folder.write("application.yml", "server: {port: 1}")
    (problem,) = folder.problems(environ={"APP_SERVER_PORT": "x"})
    assert problem.startswith("environment variable APP_SERVER_PORT: server.port: 'x' is not a whole number")
    assert problem.endswith(" (this property is also set in application.yml:1:16)")


class RequiredProperties(ConfigProperties, prefix="required"):
    url: str
    retries: int = 0


def test_a_required_value_is_missed_once_its_section_is_there(folder: ConfigFolder) -> None:
    """At the place of the section."""
    assert folder.problems(models=[RequiredProperties], inline="required: {retries: 1}") == [
        "<inline>:1:1: required.url must be set (text)"
    ]
    assert folder.problems(models=[RequiredProperties], inline="required:") == [
        "<inline>:1:1: required.url must be set (text)"
    ]


def test_a_required_value_of_a_section_nobody_mentions_waits_for_its_use(folder: ConfigFolder) -> None:
    """An installed starter may be switched off."""
    environment = folder.load(models=[RequiredProperties])
    environment.check()
    with pytest.raises(ConfigurationError, match=r"required\.url must be set"):
        environment.bind(RequiredProperties)
    with pytest.raises(ConfigurationError, match=r"required\.url must be set"):
        environment.check(required=[RequiredProperties])


def test_binding_one_model_tells_only_its_own_mistakes(folder: ConfigFolder) -> None:
    """Unknown keys of its section are among them."""
    environment = folder.load(inline="server: {prt: 1}\nnats: {enabled: 7}\n")
    with pytest.raises(ConfigurationError) as caught:
        environment.bind(ServerProperties)
    assert [problem.key for problem in caught.value.problems] == ["server.prt"]


def test_a_mistake_in_one_model_does_not_hide_those_of_another(folder: ConfigFolder) -> None:
    """All models are bound before anything is raised."""
    keys = [problem.key for problem in folder.load(inline="server: {port: x}\nnats: {enabled: x}").problems]
    assert keys == ["server.port", "nats.enabled"]


class PairProperties(ConfigProperties, prefix="pair"):
    user: str | None = None
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> PairProperties:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password must be set together")
        return self


class LeakingProperties(ConfigProperties, prefix="leaking"):
    password: Annotated[str, Field()] = ""
    nested: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _leak(self) -> LeakingProperties:
        if self.password:
            raise ValueError(f"cannot log in with {self.password}")
        return self


def test_a_rule_over_several_fields_points_at_the_section(folder: ConfigFolder) -> None:
    """The section is where both could be written."""
    assert folder.problems(models=[PairProperties], inline="pair:\n  user: ana\n") == [
        "<inline>:1:1: pair: user and password must be set together"
    ]


def test_a_validator_that_shows_a_secret_is_silenced(folder: ConfigFolder) -> None:
    """The message of another's code is masked as well (FA9)."""
    assert folder.problems(models=[LeakingProperties], inline="leaking: {password: hunter2}") == [
        "<inline>:1:1: leaking cannot log in with ******"
    ]


def test_a_section_that_is_no_map_is_refused(folder: ConfigFolder) -> None:
    """The whole model is expected there."""
    assert folder.problems(inline="server: 8080\nnats: [a]\n") == [
        "<inline>:1:9: server: '8080' is not a map of keys",
        "<inline>:2:1: nats is not a map of keys",
    ]


def test_a_model_without_a_prefix_cannot_be_bound() -> None:
    """The sentence shows how to give it one."""
    from app_framework.boot.config.properties import prefix_of

    class Nested(ConfigProperties):
        pass

    with pytest.raises(TypeError, match=r"class Nested\(ConfigProperties, prefix="):
        prefix_of(Nested)


def test_properties_work_without_an_environment() -> None:
    """In a REPL, by Python names or by keys."""
    assert ServerProperties(port=1, max_body=5) == ServerProperties.model_validate({"port": 1, "max-body": "5B"})


def test_properties_are_dumped_as_they_are_written() -> None:
    """The actuator shows durations as text and secrets as stars."""
    dumped = NatsProperties(connect_timeout=timedelta(seconds=90), token=SecretStr("x")).model_dump(
        mode="json", by_alias=True
    )
    assert dumped["connect-timeout"] == "90s"
    assert dumped["token"] == "**********"


def test_all_models_of_the_tests_bind_when_nothing_is_set(folder: ConfigFolder) -> None:
    """Defaults are valid values."""
    environment = folder.load()
    environment.check(required=MODELS)
