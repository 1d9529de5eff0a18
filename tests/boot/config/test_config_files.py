"""Profiles, documents and imports."""

from __future__ import annotations

import pytest

from app_framework.boot.config.environment import Environment
from app_framework.boot.config.errors import ConfigurationError
from tests.boot.config.conftest import ConfigFolder


def ports(environment: Environment) -> object:
    return environment.get("server.port")


def test_a_document_counts_only_under_its_profiles(folder: ConfigFolder) -> None:
    """The gate is an expression."""
    folder.write(
        "application.yml",
        "server: {port: 1}\n---\napp: {config: {activate: {on-profile: 'prod & !eu'}}}\nserver: {port: 2}\n",
    )
    assert ports(folder.load()) == 1
    assert ports(folder.load(profiles=["prod"])) == 2
    assert ports(folder.load(profiles=["prod", "eu"])) == 1


def test_a_gate_may_list_several_expressions(folder: ConfigFolder) -> None:
    """One of them is enough."""
    folder.write("application.yml", "app.config.activate.on-profile: [us, eu]\nserver: {port: 2}\n")
    assert ports(folder.load(profiles=["eu"])) == 2


def test_profiles_may_be_activated_in_a_file(folder: ConfigFolder) -> None:
    """The last profile wins."""
    folder.write("application.yml", "app: {profiles: {active: 'a,b'}}")
    folder.write("application-a.yml", "server: {port: 1, host: a}")
    folder.write("application-b.yml", "server: {port: 2}")
    environment = folder.load()
    assert environment.active_profiles == ("a", "b")
    assert environment.get("server") == {"port": 2, "host": "a"}


@pytest.mark.parametrize(
    ("options", "active"),
    [
        ({}, ("file",)),
        ({"environ": {"APP_PROFILES_ACTIVE": "env"}}, ("env",)),
        ({"environ": {"APP_APP_PROFILES_ACTIVE": "one,two"}}, ("one", "two")),
        ({"environ": {"APP_PROFILES_ACTIVE": "env"}, "arguments": ["--app.profiles.active=line"]}, ("line",)),
        ({"arguments": ["--app.profiles.active=line"], "profiles": ["given"]}, ("given",)),
        ({"properties": {"app.profiles.active": ["test"]}}, ("test",)),
        ({"inline": "app.profiles.active: inline"}, ("inline",)),
    ],
)
def test_the_highest_source_replaces_the_active_profiles(
    folder: ConfigFolder, options: dict[str, object], active: tuple[str, ...]
) -> None:
    """They are not added up."""
    folder.write("application.yml", "app: {profiles: {active: file}}")
    assert folder.load(**options).active_profiles == active


def test_included_profiles_come_first_and_groups_expand(folder: ConfigFolder) -> None:
    """What is asked for explicitly wins over what is included."""
    folder.write(
        "application.yml", "app: {profiles: {include: [metrics], active: prod, group: {prod: [db, mq], mq: nats}}}"
    )
    assert folder.load().active_profiles == ("metrics", "prod", "db", "mq", "nats")


def test_the_default_profile_has_a_file(folder: ConfigFolder) -> None:
    """It is left out as soon as another profile is active; it may be renamed."""
    folder.write("application-default.yml", "server: {port: 1}")
    folder.write("application-local.yml", "server: {port: 2}")
    assert ports(folder.load()) == 1
    assert ports(folder.load(profiles=["other"])) is None
    assert ports(folder.load(arguments=["--app.profiles.default=local"])) == 2


def test_an_imported_file_may_activate_profiles(folder: ConfigFolder) -> None:
    """Imports of documents without a profile are read before profiles are decided."""
    folder.write("application.yml", "app.config.import: stage.yml")
    folder.write("stage.yml", "app.profiles.active: prod")
    assert folder.load().active_profiles == ("prod",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("application-dev.yml", "app: {profiles: {active: other}}"),
        ("application.yml", "app: {config: {activate: {on-profile: dev}}, profiles: {include: other}}"),
        ("application.yml", "app.config: {activate: {on-profile: qa}}\napp.profiles.group.x: [y]\n"),
    ],
)
def test_profiles_cannot_be_changed_by_a_profile(folder: ConfigFolder, name: str, text: str) -> None:
    """The answer would depend on the order of reading."""
    folder.write(name, text)
    (problem,) = folder.problems(profiles=["dev"])
    assert problem.startswith(f"{name}:")
    assert "is not allowed in a document that is for certain profiles" in problem


def test_bad_names_and_expressions_are_problems(folder: ConfigFolder) -> None:
    """A profile's name is part of a file's name."""
    folder.write("application.yml", "app: {profiles: {active: ../x}}\n---\napp.config.activate.on-profile: a &\n")
    assert folder.problems() == [
        "application.yml:1:26: '../x' cannot be the name of a profile",
        "application.yml:3:33: profile expression 'a &' cannot be read: a profile was expected at the end",
    ]


def test_an_environment_answers_for_expressions(folder: ConfigFolder) -> None:
    """Conditions ask this."""
    environment = folder.load(profiles=["prod", "eu"])
    assert environment.accepts_profiles("prod & (us | eu)")
    assert environment.default_profiles == ("default",)


def test_imports_win_over_their_document_and_nest(folder: ConfigFolder) -> None:
    """They are relative to the importing file; the last of a list wins."""
    folder.write("application.yml", "server: {port: 1, host: a}\napp.config.import: [conf/x.yml, conf/y.yml]\n")
    folder.write("conf/x.yml", "app.config.import: deep/z.yml\nserver: {port: 2}\n")
    folder.write("conf/y.yml", "server: {shutdown: immediate}")
    folder.write("conf/deep/z.yml", "server: {port: 3, shutdown: graceful}")
    assert folder.load().get("server") == {"port": 3, "host": "a", "shutdown": "immediate"}


def test_an_import_brings_its_profile_variant(folder: ConfigFolder) -> None:
    """As any other file does."""
    folder.write("application.yml", "app.config.import: db.yml")
    folder.write("db.yml", "database: {path: a}")
    folder.write("db-prod.yml", "database: {path: b}")
    assert folder.load(profiles=["prod"]).get("database.path") == "b"


def test_a_later_document_wins_over_the_import_of_an_earlier_one(folder: ConfigFolder) -> None:
    """An import stands just above its own document."""
    folder.write("application.yml", "app.config.import: x.yml\n---\nserver: {port: 9}\n")
    folder.write("x.yml", "server: {port: 2}")
    assert ports(folder.load()) == 9


def test_a_file_is_imported_once(folder: ConfigFolder) -> None:
    """The first place decides where it stands."""
    folder.write("application.yml", "app.config.import: [x.yml, y.yml, x.yml]")
    folder.write("x.yml", "server: {port: 1}")
    folder.write("y.yml", "server: {port: 2}")
    assert ports(folder.load()) == 2


def test_a_missing_import_names_where_it_was_asked_for(folder: ConfigFolder) -> None:
    """And what lies near it; ``optional:`` makes it silent."""
    folder.write("application.yml", "app:\n  config:\n    import: [optional:no.yml, conf/secret.yml]\n")
    folder.write("conf/secrets.yml", "")
    assert folder.problems() == [
        "application.yml:3:31: 'conf/secret.yml' cannot be read: there is no conf/secret.yml. Did you mean: secrets.yml"
    ]


def test_import_cycles_are_drawn(folder: ConfigFolder) -> None:
    """Each file of the circle is named."""
    folder.write("application.yml", "app.config.import: x.yml")
    folder.write("x.yml", "app.config.import: y.yml")
    folder.write("y.yml", "app.config.import: x.yml")
    assert folder.problems() == ["y.yml:1:20: the files import each other: x.yml → y.yml → x.yml"]


def test_an_import_may_use_placeholders(folder: ConfigFolder) -> None:
    """Of variables and of what its own document says."""
    folder.write("application.yml", "app:\n  name: shop\n  config: {import: 'optional:${ETC}/${app.name}.yml'}\n")
    folder.write("etc/shop.yml", "server: {port: 5}")
    assert ports(folder.load(environ={"ETC": "etc"})) == 5


def test_a_placeholder_that_cannot_be_replaced_is_told_once(folder: ConfigFolder) -> None:
    """Neither twice nor as a missing file."""
    (problem,) = folder.problems(inline="app: {config: {import: '${NOWHERE}.yml'}}")
    assert problem == ("<inline>:1:24: app.config.import: nothing sets 'NOWHERE' for the placeholder '${NOWHERE}'")


def test_an_import_may_come_from_the_command_line(folder: ConfigFolder) -> None:
    """It stands above all files."""
    folder.write("application.yml", "server: {port: 1}")
    folder.write("x.yml", "server: {port: 2}")
    assert ports(folder.load(arguments=["--app.config.import=x.yml"])) == 2


def test_an_unknown_kind_of_import_is_a_problem(folder: ConfigFolder) -> None:
    """It is not taken for a file's name."""
    folder.write("application.yml", "app.config.import: configtre:/run/secrets/")
    assert folder.problems() == ["application.yml:1:20: 'configtre:' is no kind of import. Did you mean: configtree:"]


def test_a_config_tree_is_keys_by_file_name(folder: ConfigFolder) -> None:
    """Dots and folders nest, one newline is dropped, hidden files are left out."""
    folder.write("application.yml", "app.config.import: configtree:run/secrets/")
    folder.write("run/secrets/nats.token", "hunter2\n")
    folder.write("run/secrets/server/host", "a\n\n")
    folder.write("run/secrets/..data/nats.token", "old")
    environment = folder.load()
    assert environment.get("nats.token") == "hunter2"
    assert environment.get("server.host") == "a\n"
    assert str(environment.origin("nats.token")) == "configtree run/secrets/nats.token"


def test_a_config_tree_may_name_every_folder_below(folder: ConfigFolder) -> None:
    """Each mounted secret has a folder of its own."""
    folder.write("application.yml", "app.config.import: 'configtree:run/*/'")
    folder.write("run/a/server.host", "a")
    folder.write("run/b/server.host", "b")
    assert folder.load().get("server.host") == "b"


def test_a_missing_config_tree_is_a_problem_unless_optional(folder: ConfigFolder) -> None:
    """A secret that is not mounted must not be overlooked."""
    folder.write("application.yml", "app.config.import: [optional:configtree:a/, configtree:b/]")
    (problem,) = folder.problems()
    assert problem == "application.yml:1:45: 'b/' cannot be read: there is no b"


def test_a_variable_may_hold_a_whole_document(folder: ConfigFolder) -> None:
    """Its mistakes have lines too."""
    folder.write("application.yml", "app.config.import: env:SETTINGS")
    environment = folder.load(environ={"SETTINGS": "server:\n  port: 7\n"})
    assert ports(environment) == 7
    assert str(environment.origin("server.port")) == "environment variable SETTINGS:2:9"
    (problem,) = folder.problems(environ={"SETINGS": ""})
    assert problem.endswith("the environment variable 'SETTINGS' to import is not set. Did you mean: SETINGS")


def test_inline_text_stands_above_the_files(folder: ConfigFolder) -> None:
    """It may have documents, profiles and imports as a file has."""
    folder.write("application.yml", "server: {port: 1, host: a}")
    folder.write("x.yml", "server: {shutdown: immediate}")
    text = "server: {port: 2}\napp.config.import: x.yml\n---\napp.config.activate.on-profile: p\nserver: {port: 3}\n"
    assert folder.load(inline=text).get("server") == {"port": 2, "host": "a", "shutdown": "immediate"}
    assert ports(folder.load(inline=text, profiles=["p"])) == 3


def test_files_that_were_changed_are_read_again_beside_what_holds(folder: ConfigFolder) -> None:
    """Under the same profiles, variables and arguments; what holds stays as it was, also where the new one is wrong."""
    folder.write("application.yml", "server: {port: 1, host: a}\n")
    environment = folder.load(arguments=["--server.host=b"])
    folder.write("application.yml", "server: {port: 2}\n")
    assert environment.reread().get("server") == {"port": 2, "host": "b"}
    assert environment.get("server") == {"port": 1, "host": "b"}
    folder.write("application.yml", "server: [")
    with pytest.raises(ConfigurationError, match=r"application\.yml"):
        environment.reread()
