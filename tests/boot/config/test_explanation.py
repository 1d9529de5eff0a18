"""Looking at an environment: why a key has its value, where things are written, what is secret (FA5, FA9)."""

from __future__ import annotations

import pytest

from app_framework.boot.config.environment import Environment
from app_framework.boot.config.explanation import Setting, UnknownPropertyError
from app_framework.boot.config.properties import ConfigProperties, Field, SecretStr
from app_framework.testing import GoldenFiles
from tests.boot.config.conftest import ConfigFolder, NatsProperties


def table(settings: tuple[Setting, ...]) -> str:
    return "\n".join(f"{'*' if s.winner else ' '} {s.value!s:<12} {s.origin!s:<40} {s.source}" for s in settings)


def test_explain_shows_every_source_the_winner_first(folder: ConfigFolder, golden: GoldenFiles) -> None:
    """The default of the model comes last (FA5)."""
    folder.write("application.yml", "server:\n  port: 1\n---\nserver.port: ${PORT:2}\n")
    folder.write("config/application.yml", "server: {port: '${PORT:3}'}")
    environment = folder.load(
        environ={"APP_SERVER_PORT": "4"},
        arguments=["--server.port=${PORT}"],
        inline="server: {port: 5}",
    )
    assert [str(problem) for problem in environment.problems] == [
        "command line: server.port: nothing sets 'PORT' for the placeholder '${PORT}'"
    ]
    environment = folder.load(environ={"APP_SERVER_PORT": "4"}, arguments=["--server.port=0"], inline="server.port: 5")
    golden("explain-server-port.txt", table(environment.explain("server.port")))


def test_the_winner_is_shown_resolved_and_as_written(folder: ConfigFolder) -> None:
    """A placeholder alone explains little."""
    winner = folder.load(inline="server: {port: '${PORT:80}'}").explain("server.port")[0]
    assert (winner.value, winner.written) == (80, "${PORT:80}")


def test_a_key_that_only_its_model_sets_has_one_line(folder: ConfigFolder) -> None:
    """The default wins, as it is declared."""
    (default,) = folder.load().explain("nats.connectTimeout")
    assert (default.value, str(default.origin), default.winner) == ("2s", "default of NatsProperties", True)


def test_an_unknown_key_names_near_ones(folder: ConfigFolder) -> None:
    """The command line prints this sentence."""
    with pytest.raises(UnknownPropertyError) as caught:
        folder.load().explain("server.prot")
    assert str(caught.value).startswith("no property is called 'server.prot'. Did you mean: server.port")


def test_a_section_may_be_explained_whole(folder: ConfigFolder) -> None:
    """Secrets inside stay masked."""
    settings = folder.load(inline="nats: {token: hunter2, enabled: false}").explain("nats")
    assert settings[0].value == {"token": "******", "enabled": False}
    assert settings[-1].source == "default of NatsProperties"


def test_effective_is_everything_that_holds(folder: ConfigFolder) -> None:
    """Flat and in order; with defaults on request."""
    environment = folder.load(inline="nats: {servers: [a, b], token: hunter2}", environ={"APP_SERVER_PORT": "1"})
    held = environment.effective()
    assert {key: setting.value for key, setting in held.items()} == {
        "nats.servers[0]": "a", "nats.servers[1]": "b", "nats.token": "******", "server.port": 1,
    }  # fmt: skip
    full = environment.effective(defaults=True)
    assert full["nats.connect-timeout"].value == "2s"
    assert full["app.data-dir"].source == "default of AppProperties"
    assert "nats.servers" not in full


def test_a_value_that_a_placeholder_brought_in_is_explained_by_it(folder: ConfigFolder) -> None:
    """The map was written elsewhere, the placeholder here."""
    text = "security:\n  users:\n    ana: ${security.users.bob}\n    bob: {password: hunter2, roles: [r]}\n"
    environment = folder.load(inline=text)
    (setting,) = environment.explain("security.users.ana.roles")
    assert (setting.value, setting.written, str(setting.origin)) == (["r"], "${security.users.bob}", "<inline>:3:10")
    assert environment.effective()["security.users.ana.password"].value == "******"


def test_sources_are_listed_from_the_highest(folder: ConfigFolder) -> None:
    """Documents of one file are told apart; entries are flat."""
    folder.write("application.yml", "server: {port: 1}\n---\nnats: {servers: [a]}\n")
    environment = folder.load(arguments=["--debug"], environ={"APP_APPLICATION_JSON": "{}"})
    assert [source.name for source in environment.sources] == [
        "command line", "environment variable APP_APPLICATION_JSON", "environment",
        "application.yml (document 2)", "application.yml (document 1)",
    ]  # fmt: skip
    entries = list(environment.sources[3].entries())
    assert [(key, value, str(origin)) for key, value, origin in entries] == [
        ("nats.servers[0]", "a", "application.yml:3:18")
    ]


def test_get_contains_and_their_defaults(folder: ConfigFolder) -> None:
    """Only what a source says counts; a model's default does not."""
    environment = folder.load(inline="server: {port: 0, host: }\nnats: {servers: [a]}\n")
    assert environment.get("server.port") == 0
    assert environment.get("nats.servers[0]") == environment.get(("nats", "servers", 0)) == "a"
    assert environment.get("server.shutdown", "x") == "x"
    assert environment.contains("server.host")
    assert not environment.contains("server.shutdown")
    assert not environment.contains("no.such.key")


def test_origins_fall_back_to_what_is_written_around(folder: ConfigFolder) -> None:
    """An error about something that is missing points at its section."""
    folder.write("application.yml", "schemas:\n  Sales:\n    a.b:\n      dimensions: {}\n")
    environment = folder.load(environ={"APP_SCHEMAS_SALES_A_B_MEASURES": "{}"})
    path = ("schemas", "Sales", "a.b", "dimensions")
    assert str(environment.origin(path)) == "application.yml:4:19"
    assert str(environment.origin(path, of_key=True)) == "application.yml:4:7"
    assert str(environment.origin((*path, "missing", 0), of_key=True)) == "application.yml:4:7"
    assert str(environment.origin("schemas.Sales.a.b.dimensions")) == "application.yml:4:19"
    assert str(environment.origin(("schemas", "Sales", "x"), of_key=True)) == "application.yml:2:3"
    assert environment.origin("server.port") is None


class VaultProperties(ConfigProperties, prefix="vault"):
    url: str = ""
    plain: str = ""
    fallback: str = ""
    api_key: str = ""
    tokens: dict[str, str] = Field(default={})
    passwords: list[str] = Field(default=[])
    hidden: SecretStr | list[SecretStr] | None = None
    nested: dict[str, SecretStr] = Field(default={})
    anything: dict[str, object] = Field(default={})


VAULT = """\
vault:
  url: https://ana:hunter2@example.org/x
  plain: x-${vault.api-key}
  api-key: hunter2
  tokens: {ana: hunter2}
  passwords: [hunter2]
  hidden: [hunter2]
  nested: {x: hunter2}
  fallback: ${SOME_PASSWORD:hunter2}
  anything: {client: {secret: hunter2, credentials: {user: hunter2}}, list: [{password: hunter2}]}
"""


def test_secrets_are_masked_by_type_by_name_and_by_descent(folder: ConfigFolder) -> None:
    """No way of looking at the environment shows one (FA9)."""
    environment = folder.load(models=[VaultProperties], inline=VAULT, environ={"APP_VAULT_HIDDEN": "hunter2"})
    assert environment.problems == ()
    shown = [repr(environment), repr(environment.sources), str(environment.effective(defaults=True))]
    for source in environment.sources:
        for key, value, _ in source.entries():
            shown.append(str(environment.mask(key, value)))
            shown.append(str(environment.explain(key)))
    shown.append(str(environment.mask("vault", environment.get("vault"))))
    assert "hunter2" not in " ".join(shown)
    assert environment.mask("vault.url", environment.get("vault.url")) == "https://ana:******@example.org/x"
    assert environment.mask("vault.plain", environment.get("vault.plain")) == "******"


def test_a_secret_variable_makes_its_target_secret(folder: ConfigFolder) -> None:
    """Whatever the key is called."""
    environment = folder.load(
        inline="server: {host: '${ADMIN_PASSWORD}', shutdown: '${MODE:graceful}'}", environ={"ADMIN_PASSWORD": "x"}
    )
    assert environment.is_secret("server.host")
    assert not environment.is_secret("server.shutdown")


def test_sources_of_a_mask_are_not_touched(folder: ConfigFolder) -> None:
    """The components get the real value."""
    environment = folder.load(inline="nats: {token: hunter2}")
    assert environment.get("nats.token") == "hunter2"
    assert environment.mask("nats.token", None) is None
    assert environment.mask("server.port", 1) == 1


def test_no_repr_shows_a_value(folder: ConfigFolder) -> None:
    """They end up in logs and tracebacks."""
    environment = folder.load(inline="nats: {token: hunter2}", environ={"ADMIN_PASSWORD": "hunter2"})
    (source,) = environment.sources[1:]
    assert "hunter2" not in f"{source!r} {source.root!r} {environment!r} {environment.bind(NatsProperties)!r}"


def test_two_environments_do_not_see_each_other(folder: ConfigFolder) -> None:
    """Nothing is global (FA7)."""
    one = folder.load(inline="server: {port: 1}")
    two = folder.load(inline="server: {port: 2}", profiles=["x"])
    assert (one.get("server.port"), two.get("server.port")) == (1, 2)
    assert (one.active_profiles, two.active_profiles) == ((), ("x",))


def test_an_environment_of_the_process_reads_its_folder_and_variables(
    folder: ConfigFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only place that looks at the process."""
    folder.write("application.yml", "app: {name: here}")
    monkeypatch.chdir(folder.path)
    monkeypatch.setenv("APP_VERSION", "7")
    environment = Environment.from_process()
    assert (environment.get("app.name"), environment.get("app.version")) == ("here", "7")
    assert environment.directory == folder.path


def test_an_environment_has_a_readable_repr(folder: ConfigFolder) -> None:
    """Met in a REPL."""
    environment = folder.load(inline="server: {port: 1}", profiles=["dev"])
    assert repr(environment) == "<Environment 2 sources, profiles: dev>"
    assert repr(environment.sources[1]) == "<PropertySource '<inline>' 1 settings>"
