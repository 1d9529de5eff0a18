"""Models: what their short forms mean, and that everything wrong with them is told at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from app_framework.database import Database, ModelError, Table
from app_framework.olap import Cube, CubeDefinition, build_cubes, read_model
from app_framework.testing import GoldenFiles

TABLES = [
    Table("lineitem", columns={
        "l_orderkey": "bigint", "l_quantity": "decimal(15,2)", "l_flag": "varchar", "l_ship": "date",
        "l_line": "smallint", "l_part": "bigint", "l_tax": "float", "l_list": "varchar", "l_at": "timestamptz",
    }),
    Table("orders", columns={"o_orderkey": "bigint", "o_custkey": "bigint", "o_date": "date", "note": "varchar"}),
    Table("customer", columns={
        "c_custkey": "bigint", "c_segment": "varchar", "note": "varchar", "c_nation": "integer",
    }),
    Table("part", columns={"p_key": "bigint", "p_maker": "integer"}),
    Table("nation", columns={"n_key": "integer", "n_name": "varchar"}),
]  # fmt: skip
REFERENCES = [
    "lineitem.l_orderkey -> orders.o_orderkey",
    "orders.o_custkey -> customer.c_custkey",
    "lineitem.l_part -> part.p_key",
    "customer.c_nation -> nation.n_key",
    "part.p_maker -> nation.n_key",
]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=REFERENCES) as opened:
        yield opened


def cube(database: Database, dimensions: Mapping[str, object], measures: Mapping[str, object] | None = None) -> Cube:
    definition = CubeDefinition.of(
        "c", base="lineitem", dimensions=dimensions, measures=measures or {"lines": {"count": "*"}}
    )
    return Cube.of(definition, database)


def refused(
    database: Database, dimensions: Mapping[str, object], measures: Mapping[str, object] | None = None
) -> list[str]:
    """Build a cube that must be refused and return the problems as texts."""
    with pytest.raises(ModelError) as caught:
        cube(database, dimensions, measures)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "column",
    [
        "orders.customer.c_segment", "customer.c_segment", "c_segment", "lineitem.orders.customer.c_segment",
        "orders.o_custkey", "orders.customer.nation.n_name", "part.nation.n_name", "l_flag", "lineitem.l_flag",
    ],
)  # fmt: skip
def test_a_column_is_written_as_short_as_is_unambiguous(database: Database, column: str) -> None:
    """A level is called by its column unless a name is given."""
    (level,) = cube(database, {"D": [column]}).model.levels
    assert level.name == column.split(".")[-1]


def test_a_bare_name_is_the_base_tables_own_column(database: Database) -> None:
    """Even where a referenced table has one of that name."""
    tables = [*TABLES[:1], Table("orders", columns={"o_orderkey": "bigint", "l_flag": "integer"})]
    with Database.open(tables=tables, references=REFERENCES[:1]) as other:
        (level,) = cube(other, {"D": ["l_flag"]}).model.levels
    assert (level.type.name, level.joins) == ("string", {()})


def test_an_ambiguous_column_lists_what_it_may_be(database: Database) -> None:
    (problem,) = refused(database, {"D": ["note", {"n": "nation.n_name"}], "E": ["orders.note"]})[:1]
    assert "it may be orders.note, orders.customer.note" in problem


def test_the_short_form_is_one_hierarchy_named_like_its_dimension(database: Database) -> None:
    """A list of columns, a list with names, a mapping of names to expressions, or one column."""
    built = cube(database, {
        "A": ["l_flag", {"year": "year(l_ship)"}],
        "B": {"levels": {"month": "month(l_ship)"}, "caption": "By month"},
        "C": "l_line",
        "D": {"hierarchies": {"H": ["l_orderkey"], "I": {"levels": ["l_part"], "folder": "f"}}, "caption": "Dee"},
    })  # fmt: skip
    names = [level.full_name for level in built.model.levels]
    assert names == ["A.A.l_flag", "A.A.year", "B.B.month", "C.C.l_line", "D.H.l_orderkey", "D.I.l_part"]
    assert [(h.caption, h.folder) for h in built.model.hierarchies][1:4] == [
        ("By month", None),
        (None, None),
        (None, None),
    ]


def test_types_are_kept_end_to_end(database: Database) -> None:
    """Integers sum as int64, decimals with 38 digits; min and max keep the type; avg, median and `/` are double."""
    built = cube(database, {"D": {"levels": {"line": "l_line", "year": "year(l_ship)", "at": "l_at"}}}, {
        "sum_line": {"sum": "l_line"}, "sum_quantity": {"sum": "l_quantity"}, "sum_tax": {"sum": "l_tax"},
        "sum_flag": {"sum": "l_flag = 'A'"}, "product": {"sum": "l_quantity * l_quantity"},
        "min_line": {"min": "l_line"}, "max_tax": {"max": "l_tax"}, "max_flag": {"max": "l_flag"},
        "avg": {"avg": "l_quantity"}, "median": {"median": "l_line"}, "count": {"count": "l_flag"},
        "distinct": {"count_distinct": "l_ship"}, "ratio": {"formula": "sum_line / count"},
        "difference": {"formula": "sum_quantity - sum_line"}, "money": {"formula": "sum_quantity * product"},
        "text": {"formula": "case when count > 0 then 'some' end"}, "late": {"max": "l_at"},
    })  # fmt: skip
    assert [level.type.name for level in built.model.levels] == ["int16", "int64", "timestamp[UTC]"]
    assert {name: measure.type.name for name, measure in built.model.measures.items()} == {
        "sum_line": "int64", "sum_quantity": "decimal(38,2)", "sum_tax": "double", "sum_flag": "int64",
        "product": "decimal(38,4)", "min_line": "int16", "max_tax": "float", "max_flag": "string", "avg": "double",
        "median": "double", "count": "int64", "distinct": "int64", "ratio": "double",
        "difference": "decimal(38,2)", "money": "decimal(38,6)", "text": "string", "late": "timestamp[UTC]",
    }  # fmt: skip


def test_measures_declare_their_partial_form(database: Database) -> None:
    """What a cluster would have to send for each is said before there is a cluster."""
    kinds = {
        "s": {"sum": "l_line"}, "a": {"avg": "l_line"}, "d": {"count_distinct": "l_line"},
        "m": {"median": "l_line"}, "f": {"formula": "s / a"},
    }  # fmt: skip
    measures = cube(database, {}, kinds).model.measures
    assert {name: (m.partial, m.parts) for name, m in measures.items()} == {
        "s": ("mergeable", ("sum",)),
        "a": ("mergeable", ("sum", "count")),
        "d": ("detail-shipping", ()),
        "m": ("detail-shipping", ()),
        "f": ("derived", ()),
    }


def test_only_the_tables_a_query_needs_are_joined(database: Database) -> None:
    from app_framework.olap import CubeQuery

    built = cube(database, {"D": ["orders.customer.nation.n_name", "l_flag"], "E": ["p_maker"]})
    joins = built.plan(CubeQuery(measures=["lines"], levels=["n_name"], where={"p_maker": 1})).joins
    assert [".".join(join.path) for join in joins] == ["orders", "part", "orders.customer", "orders.customer.nation"]
    assert built.plan(CubeQuery(measures=["lines"], levels=["l_flag"])).joins == ()


MISTAKES = """
    base: lineitem
    captoin: x
    cubes:
      good: {measures: {n: {count: "*"}}}
      bad:
        dimensions:
          A: [l_flg, "year(l_ship)", 7, {x: "yeer(l_ship)"}, {y: "l_flag +"}]
          B: {levls: [l_flag]}
          C: {hierarchies: {H: {slicing: maybe}, I: {levels: [l_line, l_line], default: 3}}}
          D: {levels: {s: "string_split(l_list, ',')", sum_x: l_part, grouping: l_line, k: "1 + 1"}}
          E: {hierarchies: {S: {levels: [l_line], slicing: true, default: first}}}
        measures:
          sum_x: {sum: l_flag}
          sum_y: {summ: l_line}
          sum_z: {max_member: sum_y, level: l_line}
          q_none: {quantile: l_line}
          q_much: {quantile: l_line, q: 90}
          by_none: {first: l_line}
          by_what: {last: l_line, by: l_shp}
          by_extra: {sum: l_line, by: l_ship}
          alone: {sum_product: l_line}
          factor: {sum_product: [l_line, [l_line]]}
          dates: {square_sum: l_ship}
          both: {sum: l_line, count: "*"}
          none: {format: "0"}
          star: {sum: "*"}
          shape: 3
          expr: {sum: "sum(l_line)"}
          type: {avg: l_ship}
          typo: {sum: l_line, formt: "0"}
          f1: {formula: f2 + 1}
          f2: {formula: f1 + 1}
          f3: {formula: sum_yy / type}
          f4: {formula: "l_flag + x.y"}
          f5: {formula: "typo || 3 || interval '1 day'"}
          x.y: {count: l_line}
      lost:
        dimensions:
          A: [l_flag, l_line]
          B: {hierarchies: {H: [l_ship], V: {levels: [l_part], slicing: true}}}
          W: [l_wrng]
        measures:
          n: {count: "*"}
          t: {max: l_flag}
          rank_of: {rank: nn, hierarchy: A}
          rank_in: {rank: n, hierachy: A}
          rank_none: {rank: n}
          rank_how: {rank: n, hierarchy: C, ascending: yes please}
          share_t: {share: t, hierarchy: A}
          total_v: {total: n, hierarchy: V}
          shift_in: {shift: n, level: l_lin, offset: far}
          shift_at: {shift: n, level: l_flagg}
          shift_part: {shift: n, level: l_flag, partition: l_line}
          shift_wrong: {shift: n, level: l_wrng}
          run_what: {cumulative: n, level: l_line, aggregate: summ}
          run_text: {cumulative: t, level: l_line}
          run_back: {cumulative: n, level: l_line, window: [3, 1]}
          early: {date_shift: n, level: l_ship, by: 1 month}
          earlier: {date_shift: n, level: l_ship, by: PT1H}
          earliest: {date_shift: n, level: l_flag, by: P1M}
          where_none: {filter: n, where: {}}
          where_level: {filter: n, where: {l_flga: A, l_line: nine, l_ship: {form: 2024-01-01}}}
          at_list: {at: n, members: {l_flag: [A, B]}}
          at_level: {at: n, members: {flag: A, l_line: nine}}
          per_text: {per: l_flag, aggregate: sum, of: n}
          per_what: {per: [l_flag], aggregate: quantile, of: n}
          per_of: {per: [l_flag], aggregate: sum, of: g1}
          g1: {formula: per_of + 1}
          rnk: {rnk: n, hierarchy: A}
          f1: {formula: rank_in + shift_wrong}
      empty: {}
"""


def test_everything_wrong_with_a_model_is_told_at_once(database: Database, golden: GoldenFiles) -> None:
    """Shapes, names, types, expressions and formulas, of all cubes together (FA2)."""
    import yaml

    model = read_model({"S": yaml.safe_load(MISTAKES), "T": {"base": "lineitm", "cubes": {"good": {}}}}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, database, known=model.problems)
    golden("mistakes.txt", str(caught.value))


CAUSES = """
    bse: lineitem
    cubes:
      no_measures: {mesures: {n: {count: "*"}}, dimensions: {A: [l_flag]}}
      no_mapping: 3
      wrong_shape: {measures: [n]}
      consequences:
        dimensions:
          A: {levls: [l_flag], caption: a}
          B: {hierarchies: {H: {levls: [l_flag]}}}
          C: {levels: {x: {colum: l_flag}}}
        measures:
          misspelt: {cuont: "*"}
          wrong_column: {sum: l_lnie}
          over_misspelt: {formula: misspelt / 2}
          over_wrong: {formula: misspelt + wrong_column}
          over_those: {formula: over_misspelt * over_wrong}
"""


def test_what_follows_from_a_mistake_is_not_told_beside_it(database: Database) -> None:
    """A misspelt key is not missing as well, and a formula over a wrong measure is not wrong as well (FA2)."""
    import yaml

    model = read_model({"S": yaml.safe_load(CAUSES)}, {})
    assert [(problem.code, problem.path[-1], problem.near[:1]) for problem in model.problems] == [
        ("UNKNOWN_KEY", "bse", ("base",)),
        ("UNKNOWN_KEY", "mesures", ("measures",)),
        ("INVALID_SHAPE", "no_mapping", ()),
        ("INVALID_SHAPE", "measures", ()),
        ("UNKNOWN_AGGREGATION", "cuont", ("count",)),
        ("UNKNOWN_KEY", "levls", ("levels",)),
        ("UNKNOWN_KEY", "levls", ("levels",)),
        ("UNKNOWN_KEY", "colum", ("column",)),
    ]
    based = read_model({"S": yaml.safe_load(CAUSES.replace("bse", "base"))}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(based.cubes, database)
    (problem,) = caught.value.problems
    assert (problem.code, problem.near[0]) == ("UNKNOWN_COLUMN", "l_line")


def test_names_that_differ_in_case_alone_are_refused(database: Database) -> None:
    """The engine would answer with one column for both."""
    measures = {"lines": {"count": "*"}, "Lines": {"sum": "l_line"}, "L_FLAG": {"max": "l_flag"}}
    problems = refused(database, {"D": ["l_flag"]}, measures)
    assert [problem.split(": ")[0] for problem in problems] == ["cubes.c.measures.Lines", "cubes.c.measures.L_FLAG"]
    assert "measure 'Lines' and measure 'lines' differ in case only" in problems[0]


def test_a_base_that_is_wrong_for_several_cubes_is_told_once(database: Database) -> None:
    schema = {"base": "lineitm", "cubes": {name: {"measures": {"n": {"count": "*"}}} for name in "ab"}}
    with pytest.raises(ModelError) as caught:
        build_cubes(read_model({"S": schema}, {}).cubes, database)
    assert [problem.advice for problem in caught.value.problems] == ["Write 'lineitem' instead of 'lineitm'."]


def test_a_formula_with_a_dotted_name_needs_quotes(database: Database) -> None:
    measures = {"x.sum": {"sum": "l_line"}, "f": {"formula": '"x.sum" * 2'}}
    assert cube(database, {}, measures).model.measures["f"].type.name == "int64"
    (problem,) = refused(database, {}, {**measures, "g": {"formula": "x.sum * 2"}})
    assert 'a dotted name is written in double quotes: "x.sum"' in problem
