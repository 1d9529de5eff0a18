"""`af node start` and `af witness`: what their flags mean, those of other systems and a `config.json` included."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NoReturn

import click
import pytest

from app_framework.cli.commands import node_start, witness
from app_framework.cli.selection import Selection
from tests.cli.conftest import Af

J6 = {
    "Host": "0.0.0.0",
    "Port": 8080,
    "DataDir": "data",
    "distributed": True,
    "NodeID": "node1",
    "Bootstrap": True,
    "Peers": [],
}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Selection]:
    """What would have been run, in the place of running it."""
    found: list[Selection] = []

    def launch(selection: Selection, ready_file: Path | None) -> NoReturn:
        found.append(selection)
        raise click.exceptions.Exit(0)

    for module in (node_start, witness):
        monkeypatch.setattr(module, "run_in_foreground", launch)
    return found


def settings(selection: Selection) -> dict[str, str]:
    return dict(each.removeprefix("--").split("=", 1) for each in selection.settings)


def test_our_flags_are_settings(af: Af, launched: list[Selection]) -> None:
    flags = ["--name", "n2", "--port", "8081", "--data-dir", "d", "--peer", "a:1", "--peer", "http://b:2/,c:3"]
    assert af("node", "start", *flags, "--server.shutdown=immediate").exit_code == 0
    assert settings(launched[0]) == {
        "cluster.enabled": "true",
        "cluster.node.name": "n2",
        "server.port": "8081",
        "app.data-dir": "d",
        "cluster.peers": '["a:1", "http://b:2", "c:3"]',
        "server.shutdown": "immediate",
    }


def test_a_setting_that_is_given_outright_wins(af: Af, launched: list[Selection]) -> None:
    """And is not set twice."""
    af("node", "start", "--port", "1", "--server.port=2", "--cluster.enabled=false", "--data-dir", "d")
    assert settings(launched[0]) == {"app.data-dir": "d", "server.port": "2", "cluster.enabled": "false"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ["-a", "127.0.0.2:2836", "--peer=127.0.0.1:2836", "-l", "qdbd2.log", "--root=./instance2"],
            {
                "server.address": "127.0.0.2",
                "server.port": "2836",
                "cluster.peers": '["127.0.0.1:2836"]',
                "logging.file.name": "qdbd2.log",
                "app.data-dir": "instance2",
                "app.name": "instance2",
            },
        ),
        (
            ["--ServerUrl=http://127.0.0.1:8080", "--Logs.Path=Logs/1", "--DataDir=Data/1"],
            {
                "server.address": "127.0.0.1",
                "server.port": "8080",
                "logging.file.name": "Logs/1/node.log",
                "app.data-dir": "Data/1",
                "app.name": "node-1",
            },
        ),
    ],
)
def test_the_flags_of_other_systems_are_taken(
    af: Af, launched: list[Selection], flags: list[str], expected: dict[str, str]
) -> None:
    """As their tutorials write them; the node is called as its folder."""
    assert af("node", "start", *flags).exit_code == 0
    assert settings(launched[0]) == {"cluster.enabled": "true", **expected}


def test_what_has_no_meaning_here_is_taken_and_said(af: Af, launched: list[Selection]) -> None:
    done = af("node", "start", "--license-file", "license.txt", "--root", "d")
    assert (done.exit_code, done.stderr) == (0, "--license-file is not used: a node needs no licence.\n")


def test_hidden_flags_are_hidden(af: Af) -> None:
    assert not re.search(r"--ServerUrl|--root|--license-file|-a,", af("node", "start", "--help").stdout)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--peer", "nonsense"], "'nonsense' is no address of a node."),
        (["-a", "8080"], "'8080' is no address to listen on."),
        (["-a", "127.0.0.1:1", "--port", "2"], "--port says 2, the address to listen on says 1."),
        (["--data-dir", "a", "--root", "b"], "--data-dir says a, --root says b."),
        (["--port", "99999"], "99999 is not in the range"),
    ],
)
def test_a_flag_that_cannot_be_is_refused(af: Af, flags: list[str], said: str) -> None:
    done = af("node", "start", *flags)
    assert done.exit_code > 0
    assert said in done.stderr


def test_nodes_that_start_in_one_folder_keep_their_things_apart(
    af: Af, launched: list[Selection], folder: Path, installed: object
) -> None:
    """Unless the file says where; here no cluster starter is installed, so the launch will say so."""
    (folder / "application.yml").write_text("app: {data-dir: place}\n")
    af("node", "start", "--name", "n1", "--cluster.enabled=false")
    assert "app.data-dir" not in settings(launched[0])


def test_a_config_json_in_the_current_folder_is_read(af: Af, launched: list[Selection], folder: Path) -> None:
    """Every key of J6, and one line says what became of them; our flags win."""
    (folder / "config.json").write_text(json.dumps(J6))
    done = af("node", "start", "--port", "0")
    assert settings(launched[0]) == {
        "cluster.enabled": "true",
        "server.address": "0.0.0.0",
        "server.port": "0",
        "app.data-dir": str(folder / "data"),
        "cluster.node.name": "node1",
        "cluster.bootstrap": "true",
    }
    assert done.stderr.startswith("config.json is read as: --server.address=0.0.0.0 ")


def test_a_config_json_is_found_in_the_data_folder_and_by_name(af: Af, launched: list[Selection], folder: Path) -> None:
    """`Bootstrap: false` waits to be registered; an empty list of peers is none."""
    (folder / "data").mkdir()
    text = json.dumps({"Port": 8081, "Bootstrap": False, "distributed": True, "NodeID": "node2", "Peers": []})
    (folder / "data" / "config.json").write_text(text)
    af("node", "start", "--data-dir", "data")
    af("node", "start", "--config", "data/config.json", "--data-dir", "data")
    assert settings(launched[0]) == settings(launched[1])
    assert launched[1].config is None
    assert settings(launched[0])["cluster.bootstrap"] == "false"
    assert "cluster.peers" not in settings(launched[0])


def test_a_config_json_of_another_program_is_left_alone(af: Af, launched: list[Selection], folder: Path) -> None:
    (folder / "config.json").write_text('{"theme": "dark"}')
    assert af("node", "start", "--root", "d").stderr == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"NodeID": "a",\n "Port" 1}', "config.json:2:9: Expecting ':' delimiter."),
        ('{"NodeId": "a", "Prot": 1}', "config.json: there is no key 'Prot'.\n\nAction:\n\n  Did you mean: Port"),
        ('{"NodeID": 1}', "config.json: NodeID is 1.\n\nAction:\n\n  Write a name in quotes."),
        ('{"Peers": [], "Port": true}', "config.json: Port is true."),
        ('{"Peers": ["x y"]}', "config.json: Peers: 'x y' is no address of a node."),
        ('{"Peers": [], "Port": 99999}', "config.json: Port: 99999 is no port."),
        ('{"NodeID": " "}', "config.json: NodeID: it is empty."),
    ],
)
def test_a_config_json_with_a_mistake_is_refused_with_the_place(af: Af, folder: Path, text: str, said: str) -> None:
    (folder / "config.json").write_text(text)
    done = af("node", "start")
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_witness_votes_and_holds_no_data(af: Af, launched: list[Selection], folder: Path) -> None:
    """It does not read the folder's application.yml, leaves data out, and takes any port."""
    (folder / "application.yml").write_text("server: {port: 1}\n")
    assert af("witness", "--peer", "localhost:8080", "--data-dir", "w").exit_code == 0
    found = settings(launched[0])
    found.pop("app.autoconfigure.exclude", None)
    assert found == {
        "app.name": "witness",
        "server.port": "0",
        "cluster.enabled": "true",
        "cluster.bootstrap": "false",
        "cluster.node.type": "witness",
        "cluster.node.name": "witness",
        "app.data-dir": "w",
        "cluster.peers": '["localhost:8080"]',
    }
    assert launched[0].config is not None
    assert launched[0].config.name == "witness.yml"


def test_a_witness_takes_its_secret_from_a_file(af: Af, launched: list[Selection], folder: Path) -> None:
    (folder / "secret.yml").write_text("server: {port: 0}\n")
    done = af("witness", "--config", "secret.yml")
    assert launched[0].config == Path("secret.yml")
    assert "without --peer" in done.stderr


def test_a_witness_runs_no_application(af: Af) -> None:
    assert "A witness runs no application" in af("witness", "main:app", "--peer", "a:1").stderr


def test_without_the_cluster_starter_the_launch_names_it(af: Af) -> None:
    """The section has no owner (FA1)."""
    done = af("node", "start", "--name", "n1")
    assert done.exit_code == 1
    assert "pip install app-framework-starter-cluster" in done.stderr
