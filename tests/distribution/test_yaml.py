"""The section `distribution`: data cubes and query cubes from YAML and from code, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.boot import component
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.errors import ModelError
from app_framework.distribution import Distribution
from app_framework.distribution.autoconfigure import DistributionAutoConfiguration
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import ContextRunner, GoldenFiles

ROOMS = [DatabaseAutoConfiguration, MessagingAutoConfiguration, OlapAutoConfiguration, DistributionAutoConfiguration]
RUNNER = ContextRunner(auto=ROOMS)
CUBES = """\
database: {tables: {sales: {columns: {region: varchar, revenue: int}}}}
schemas: {S: {base: sales, cubes: {sales: {dimensions: {Region: [region]}, measures: {revenue: {sum: revenue}}}}}}
distribution:
"""


def told(folder: Path, distribution: str, runner: ContextRunner = RUNNER) -> list[str]:
    """Return what a start says against a section, line by line."""
    (folder / "application.yml").write_text(CUBES + distribution, encoding="utf-8")
    description = runner.directory(folder).fails().description
    return [line.strip() for line in description.splitlines() if line.strip()]


def test_without_a_section_nothing_is_distributed() -> None:
    with RUNNER.yaml(CUBES.partition("distribution")[0]).run() as context:
        assert not [each for each in context.definitions if each.startswith("distribut")]


def test_every_mistake_is_told_at_once_at_its_place(tmp_path: Path, golden: GoldenFiles) -> None:
    """Those that can be seen without the cubes, all together."""
    text = """\
  data-cubes:
    sales: {application: app, messenger: natz}
  query-cubes:
    a/b: {applications: {app: {}}}
    none: {applications: {}}
    many: {applications: {app: {distributing-levels: [region, city]}, other: {}}, data-overlap: true}
    twice:
      applications: {app: {distributing-levels: [region, region]}}
      measures: {margin: {formla: revenue}, cost: {sum: cost}, share: 3}
"""
    golden("mistakes-in-yaml.txt", "\n".join([*told(tmp_path, text), ""]))


def test_a_data_cube_is_a_cube_of_this_node(tmp_path: Path) -> None:
    assert told(tmp_path, "  data-cubes: {sale: {application: app}}\n") == [
        "application.yml:4:16: there is no cube 'sale'. Did you mean: sales"
    ]


def test_what_is_concealed_is_there(tmp_path: Path) -> None:
    """Names are looked up in the cube, and every mistake of all data cubes is told (A8)."""
    text = "  data-cubes: {sales: {application: a, concealed-hierarchies: [Regoin], concealed-measures: [revenu]}}\n"
    assert told(tmp_path, text) == [
        "The configuration has 2 problems:",
        "application.yml:4:64: cube 'sales' has no hierarchy 'Regoin'. Did you mean: Region",
        "application.yml:4:94: cube 'sales' has no measure 'revenu'. Did you mean: revenue",
    ]


def test_a_query_cube_is_not_called_like_a_cube(tmp_path: Path) -> None:
    assert told(tmp_path, "  query-cubes: {sales: {applications: {app: {}}}}\n") == [
        "application.yml:2:36: there is a query cube called 'sales'"
    ]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("data-cubes: {sales: {}}", "application"),
        ("data-cubes: {sales: {application: ''}}", "application"),
        ("data-cubes: {sales: {application: app, concealed: [x]}}", "concealed"),
        ("query-cubes: {world: {}}", "applications"),
        ("query-cubes: {world: {applications: {app: {}}, replication: sometimes}}", "on-slicer"),
        ("query-cubes: {world: {applications: {app: {distributing-level: x}}}}", "distributing-levels"),
        ("limits: {member: 1}", "members"),
    ],
)
def test_what_has_another_shape_is_refused(tmp_path: Path, section: str, sentence: str) -> None:
    assert sentence in "\n".join(told(tmp_path, f"  {section}\n"))


@pytest.mark.parametrize("limits", ["{heartbeat: 0s}", "{heartbeat: 10s, suspect: 1s}"])
def test_a_data_cube_is_heard_of_before_it_is_suspected(tmp_path: Path, limits: str) -> None:
    (line,) = told(tmp_path, f"  limits: {limits}\n")
    assert line.endswith("distribution.limits must have a heartbeat that is more than nothing and less than suspect")


def test_a_check_of_the_configuration_finds_them(tmp_path: Path) -> None:
    """`af config check` says so without opening a table."""
    text = CUBES + "  {data-cubes: {sale: {application: app}}, query-cubes: {world: {applications: {}}}}\n"
    with pytest.raises(ModelError, match=r"no cube 'sale'(.|\n)*needs an application"):
        RUNNER.yaml(text).prepare().check()


def test_cubes_of_other_nodes_need_a_messenger(tmp_path: Path) -> None:
    alone = ContextRunner(auto=[each for each in ROOMS if each is not MessagingAutoConfiguration])
    assert "app-framework-starter-messaging" in told(tmp_path, "  data-cubes: {sales: {application: app}}\n", alone)[0]


def test_whoever_asks_for_the_cubes_without_a_section_is_told_what_is_off() -> None:
    """Although nothing of it is loaded."""

    @component
    class Operator:
        def __init__(self, cubes: Distribution) -> None:
            self.cubes = cubes

    failure = RUNNER.sources(Operator).fails()
    assert "Add a section distribution" in failure.action
