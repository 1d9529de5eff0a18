"""What a data cube publishes, and what it keeps to itself (A8, AA3)."""

from __future__ import annotations

import json

import pytest

from app_framework.database import Database, Table
from app_framework.database.errors import ModelError
from app_framework.distribution import Concealment, Outline, outline_of
from app_framework.distribution.errors import InvalidContributionError
from app_framework.olap import Cube, CubeDefinition
from tests.distribution.published import SALES, a_cube


@pytest.fixture(scope="module")
def cube() -> Cube:
    """A cube with some of everything."""
    return a_cube()


def test_an_outline_travels_as_json_and_arrives_equal(cube: Cube) -> None:
    """What one node publishes the other reads, captions and formats too."""
    outline = outline_of(cube.model)
    arrived = Outline.parse(travelled(cube))
    assert arrived == outline
    assert arrived.digest == outline.digest
    assert arrived.measure["revenue"].caption == "Revenue"


def test_definitions_name_levels_in_full(cube: Cube) -> None:
    """In the cube of another application a short name could mean something else, so none travels."""
    measures = outline_of(cube.model).measure
    assert measures["before"].options == {"level": "Day.Day.date", "by": "P1M"}
    assert measures["place_rank"].options == {"hierarchy": "Geo.Place"}
    assert measures["per_city"].options == {"per": ["Geo.Place.city"], "aggregate": "avg"}
    assert measures["north"].options["where"] == {
        "Geo.Place.region": ["N", None],
        "Geo.Place": {"path": [["N", "Oslo"]]},
    }


def test_equal_outlines_mean_the_same_however_they_look(cube: Cube) -> None:
    """Captions, formats and spaces are no part of a definition; what is aggregated, and of which type, is."""
    again = {"sum": "  amount", "caption": "Umsatz"}
    same = outline_of(a_cube(revenue=again).model)
    assert same == outline_of(cube.model)
    assert same.digest != outline_of(cube.model).digest
    wider = Table("sales", columns={**SALES.columns, "amount": "decimal(18,2)"})
    changed = outline_of(a_cube(wider, revenue=again).model)
    assert changed.measure["revenue"] != same.measure["revenue"]
    assert changed.measure["margin"] == same.measure["margin"]


def test_what_is_concealed_is_not_published(cube: Cube) -> None:
    """AA3: of a concealed hierarchy or measure only its name is told, so that others know why it is missing."""
    concealment = Concealment(hierarchies=["Rank"], measures=["cost", "margin"])
    outline = outline_of(cube.model, concealment)
    assert "Geo.Rank" not in outline.hierarchy
    assert "cost" not in outline.measure
    assert outline.concealed_hierarchies == {"Geo.Rank": ("ranked",)}
    assert outline.concealed_measures == {"cost", "margin"}
    assert "place + 1" not in json.dumps(outline.to_json())


def test_the_visible_model_is_near_to_nothing_concealed(cube: Cube) -> None:
    """AA3: a data cube that is asked from elsewhere answers over a model without what it conceals."""
    visible = Concealment(hierarchies=["Geo.Rank"], measures=["cost"]).of(cube.model).visible(cube.model)
    assert not visible.find_levels("ranked")
    assert "Rank" not in " ".join(visible.level_names)
    assert "cost" not in visible.measures
    assert "cost" in cube.model.measures


@pytest.mark.parametrize(
    ("concealment", "code", "said"),
    [
        (Concealment(hierarchies=["Plac"]), "UNKNOWN_HIERARCHY", "has no hierarchy 'Plac'. Did you mean: Place"),
        (Concealment(measures=["revenu"]), "UNKNOWN_MEASURE", "has no measure 'revenu'. Did you mean: revenue"),
        (Concealment(hierarchies=["Currency"]), "SLICING_HIERARCHY", "hierarchy Currency.Currency is slicing"),
        (Concealment(branches=["master"]), "CONCEALED_MASTER", "branch 'master' cannot be concealed"),
        (Concealment(measures=["cost"]), "USES_CONCEALED", "'margin' uses measure 'cost'"),
        (Concealment(hierarchies=["Day"]), "USES_CONCEALED", "'before' uses hierarchy Day.Day"),
    ],
)  # fmt: skip
def test_what_cannot_be_concealed_is_refused(cube: Cube, concealment: Concealment, code: str, said: str) -> None:
    """Names that mean nothing, and what others need that are published, are told before the node answers."""
    with pytest.raises(ModelError) as refused:
        outline_of(cube.model, concealment)
    problem = refused.value.problems[0]
    assert problem.code == code
    assert said in str(problem)


def test_a_measure_that_needs_all_rows_at_one_place_is_refused_unless_concealed() -> None:
    """A query cube has neither the tables nor the code of a data cube: such a measure is told when the cube is."""
    table = Table("rates", key="region", columns={"region": "varchar", "rate": "double"})
    measures: dict[str, object] = {
        "revenue": {"sum": "amount"},
        "rate": {"lookup": "rates.rate", "by": {"region": "region"}},
    }
    definition = CubeDefinition.of("sales", base="sales", dimensions={"Geo": ["region"]}, measures=measures)
    model = Cube.of(definition, Database.open(tables=[SALES, table])).model
    with pytest.raises(ModelError, match=r"'rate' looks into table 'rates'.*conceal it"):
        outline_of(model)
    assert list(outline_of(model, Concealment(measures=["rate"])).measure) == ["revenue"]


HIERARCHY: dict[str, object] = {
    "dimension": "D", "name": "H", "slicing": False, "default": None, "caption": None, "description": None,
    "folder": None, "visible": True, "levels": [],
}  # fmt: skip
LEVEL: dict[str, object] = {
    "name": "l", "type": "DATE", "text": "", "caption": None, "description": None, "format": None, "visible": True,
    "order": {"listed": [], "key": "", "descending": False, "text": ""},
}  # fmt: skip
MEASURE: dict[str, object] = {
    "name": "m", "kind": "formula", "argument": "1", "result": "BIGINT", "options": {}, "types": [], "caption": None,
    "format": None, "description": None, "folder": None, "visible": True,
}  # fmt: skip


def travelled(cube: Cube) -> dict[str, object]:
    """What arrives of a cube's outline."""
    arrived: dict[str, object] = json.loads(json.dumps(outline_of(cube.model).to_json()))
    return arrived


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measures": 3}, "'measures' of an outline is not a list"),
        ({"measures": [{"name": "m"}]}, "'kind' of 'measures' of an outline is not a text"),
        ({"hierarchies": [HIERARCHY]}, "hierarchy 'H' has no levels"),
        ({"hierarchies": [{**HIERARCHY, "levels": [{**LEVEL, "type": "dat"}]}]}, "there is no type 'dat'"),
        ({"hierarchies": [{**HIERARCHY, "levels": [LEVEL], "default": "soon"}]}, "'soon' is not a member"),
        ({"concealed-measures": [1]}, "is not a list of texts"),
        ({"measures": [{**MEASURE, "kind": "sum"}]}, "measure 'm' has 0 arguments"),
        ({"measures": [{**MEASURE, "kind": "quantile", "types": ["INTEGER"]}]}, "is told what quantile does not know"),
        ({"measures": [{**MEASURE, "kind": "rank"}]}, "measure 'm' needs `hierarchy`"),
        ({"measures": [{**MEASURE, "kind": "shift", "options": {"level": 3}}]}, "`level` is the name of a level"),
        ({"measures": [{**MEASURE, "kind": "own"}]}, "is of kind 'own', which does not travel"),
    ],
)
def test_what_is_no_outline_is_refused(cube: Cube, change: dict[str, object], said: str) -> None:
    """A node of another version, or none at all, is told from one."""
    with pytest.raises(InvalidContributionError, match="no contribution") as refused:
        Outline.parse({**travelled(cube), **change})
    assert said in str(refused.value)
    with pytest.raises(InvalidContributionError):
        Outline.parse([])


def test_no_code_comes_from_another_node(cube: Cube) -> None:
    """A query cube imports nothing because a data cube says so."""
    stranger = {**MEASURE, "kind": "python", "argument": "os:getcwd", "options": {"of": ["revenue"], "type": "double"}}
    with pytest.raises(InvalidContributionError, match="'python', which does not travel"):
        Outline.parse({**travelled(cube), "measures": [stranger]})
