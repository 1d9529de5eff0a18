"""AA1: what several nodes cannot answer together is known before anybody asks, with the reason and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from app_framework.database import Database, Table
from app_framework.olap import AGGREGATIONS, Aggregation, CubeDefinition, Measure, build_cubes
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial import distributable

MODE = Aggregation(
    "mode", "detail-shipping", (), "anything", lambda kind: kind, lambda arguments, _: f"mode({arguments[0].sql})"
)
MEASURES = {
    "sold": {"sum": "amount"},
    "usual": {"max": "amount"},
    "twice": {"formula": "2 * usual"},
    "part": {"share": "twice", "hierarchy": "Geo"},
    "tax": {"lookup": "taxes.tax", "by": {"city": "city"}},
    "taxed": {"formula": "sold * tax"},
    "called": {"python": "json:dumps", "of": ["sold"], "type": "double"},
    "spans": {"count_distinct": "moment - moment"},
    "rank": {"rank": "sold", "hierarchy": "Geo"},
}


@pytest.fixture(scope="module")
def measures() -> Mapping[str, Measure]:
    """The measures of a cube; one of them is aggregated in a way of the application's own."""
    tables = [
        Table("sales", columns={"city": "varchar", "amount": "bigint", "moment": "timestamp"}),
        Table("taxes", columns={"city": "varchar", "tax": "double"}, key="city"),
    ]
    definition = CubeDefinition.of("sales", base="sales", dimensions={"Geo": ["city"]}, measures=MEASURES)
    with Database.open(tables=tables) as database:
        known = build_cubes([definition], database)[0].model.measures
    usual = known["usual"]
    assert isinstance(usual, AggregateMeasure)
    return {**known, "usual": replace(usual, kind="mode", aggregation=MODE)}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sold", None),
        ("rank", None),
        (
            "usual",
            "measure 'usual' is aggregated by 'mode', of which nobody knows how the parts of several nodes merge",
        ),
        ("twice", "measure 'twice' builds on 'usual', which is aggregated by 'mode'"),
        ("part", "measure 'part' builds on 'usual', which is aggregated by 'mode'"),
        ("taxed", "measure 'taxed' builds on 'tax', which looks into table 'taxes', which a query cube does not have"),
        ("called", "measure 'called' is computed by the Python function json:dumps, which a query cube does not have"),
        ("spans", "measure 'spans' is aggregated of values that do not travel"),
    ],
)
def test_a_measure_says_why_several_nodes_cannot_answer_it(
    measures: Mapping[str, Measure], name: str, reason: str | None
) -> None:
    """AA1: never a wrong number: it is concealed, or the data cube is refused."""
    told = distributable(measures[name], measures)
    assert told is None if reason is None else told is not None and told.startswith(reason)
    assert told is None or told.endswith("conceal it, or leave it to the data nodes.")


def test_every_aggregation_of_the_measure_language_can_be_answered_by_several_nodes() -> None:
    """AA1: none is left to what somebody remembers to declare."""
    measures = {
        name: {
            name: ["amount", "amount"] if aggregation.factors > 1 else "amount",
            **dict.fromkeys(aggregation.columns, "amount"),
            **dict.fromkeys(aggregation.fractions, 0.5),
        }
        for name, aggregation in AGGREGATIONS.items()
    }
    definition = CubeDefinition.of("sales", base="sales", dimensions={}, measures=measures)
    with Database.open(tables=[Table("sales", columns={"amount": "bigint"})]) as database:
        model = build_cubes([definition], database)[0].model
    told = {name: distributable(measure, model.measures) for name, measure in model.measures.items()}
    assert told == dict.fromkeys(AGGREGATIONS)
