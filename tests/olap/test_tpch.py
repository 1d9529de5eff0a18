"""TPC-H questions 1, 3, 5, 6 and 12 as cube queries give what DuckDB's own SQL gives, to the last digit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_framework.database import Database
from app_framework.olap import CubeQuery, Manager
from tests.olap.test_olap_autoconfigure import RUNNER

GENERATOR = Path(sys.executable).with_name("tpchgen-cli")
SCALE_FACTOR = "0.01"
MODEL = """
database:
  tables:
    lineitem: {source: {parquet: lineitem.parquet}}
    orders: {source: {parquet: orders.parquet}, key: o_orderkey}
    customer: {source: {parquet: customer.parquet}, key: c_custkey}
    supplier: {source: {parquet: supplier.parquet}, key: s_suppkey}
    nation: {source: {parquet: nation.parquet}, key: n_nationkey}
    region: {source: {parquet: region.parquet}, key: r_regionkey}
  references:
    - lineitem.l_orderkey -> orders.o_orderkey
    - orders.o_custkey -> customer.c_custkey
    - lineitem.l_suppkey -> supplier.s_suppkey
    - supplier.s_nationkey -> nation.n_nationkey
    - nation.n_regionkey -> region.r_regionkey
schemas:
  Sales:
    base: lineitem
    cubes:
      tpch:
        dimensions:
          Returns: [l_returnflag, l_linestatus]
          Order: [o_orderkey, o_shippriority]
          Customer: [c_mktsegment]
          Supplier: {levels: {region: r_name, nation: n_name}}
          Shipping: [l_shipmode]
          Line: [l_discount, l_quantity]
          Ordered: {date: o_orderdate, levels: {order_year: year, order_date: date}}
          Shipped: {date: l_shipdate, levels: {ship_year: year, ship_date: date}}
          Received: {date: l_receiptdate, levels: {receipt_year: year}}
          Circumstances:
            hierarchies:
              At home: {levels: {domestic: customer.c_nationkey = supplier.s_nationkey}}
              Late: {levels: {late: l_commitdate < l_receiptdate}}
              Sent in time: {levels: {sent_in_time: l_shipdate < l_commitdate}}
        measures:
          sum_qty: {sum: l_quantity}
          sum_base_price: {sum: l_extendedprice}
          sum_disc_price: {sum: l_extendedprice * (1 - l_discount)}
          sum_charge: {sum: l_extendedprice * (1 - l_discount) * (1 + l_tax)}
          avg_qty: {avg: l_quantity}
          avg_price: {avg: l_extendedprice}
          avg_disc: {avg: l_discount}
          count_order: {count: "*"}
          saved: {sum: l_extendedprice * l_discount}
          high: {sum: "case when o_orderpriority in ('1-URGENT', '2-HIGH') then 1 else 0 end"}
          low: {formula: count_order - high}
"""

QUESTIONS: dict[int, tuple[dict[str, object], str]] = {
    1: (
        {
            "levels": ["l_returnflag", "l_linestatus"],
            "measures": [
                "sum_qty", "sum_base_price", "sum_disc_price", "sum_charge", "avg_qty", "avg_price", "avg_disc",
                "count_order",
            ],
            "where": {"ship_date": {"to": "1998-09-02"}},
        },
        """
        SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
               sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
               avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
        FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL 90 DAY
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus
        """,
    ),
    3: (
        {
            "levels": ["o_orderkey", "order_date", "o_shippriority"],
            "measures": ["sum_disc_price"],
            "where": {
                "c_mktsegment": "BUILDING", "order_date": {"to": "1995-03-14"}, "ship_date": {"from": "1995-03-16"},
            },
            "order": [{"by": "sum_disc_price", "descending": True}, {"by": "order_date"}],
            "limit": 10,
        },
        """
        SELECT l_orderkey, o_orderdate, o_shippriority, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM customer, orders, lineitem
        WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
          AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
        GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10
        """,
    ),
    5: (
        {
            "levels": ["nation"],
            "measures": ["sum_disc_price"],
            "where": {"region": "ASIA", "order_year": 1994, "domestic": True},
            "order": [{"by": "sum_disc_price", "descending": True}],
        },
        """
        SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM customer, orders, lineitem, supplier, nation, region
        WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey
          AND c_nationkey = s_nationkey AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey
          AND r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01'
          AND o_orderdate < DATE '1994-01-01' + INTERVAL 1 YEAR
        GROUP BY n_name ORDER BY revenue DESC
        """,
    ),
    6: (
        {
            "measures": ["saved"],
            "where": {"ship_year": 1994, "l_discount": {"from": 0.05, "to": 0.07}, "l_quantity": {"to": 23.99}},
        },
        """
        SELECT sum(l_extendedprice * l_discount) FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1994-01-01' + INTERVAL 1 YEAR
          AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24
        """,
    ),
    12: (
        {
            "levels": ["l_shipmode"],
            "measures": ["high", "low"],
            "where": {"l_shipmode": ["MAIL", "SHIP"], "receipt_year": 1994, "late": True, "sent_in_time": True},
        },
        """
        SELECT l_shipmode,
               sum(CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END),
               sum(CASE WHEN o_orderpriority <> '1-URGENT' AND o_orderpriority <> '2-HIGH' THEN 1 ELSE 0 END)
        FROM orders, lineitem
        WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
          AND l_shipdate < l_commitdate AND l_receiptdate >= DATE '1994-01-01'
          AND l_receiptdate < DATE '1994-01-01' + INTERVAL 1 YEAR
        GROUP BY l_shipmode ORDER BY l_shipmode
        """,
    ),
}  # fmt: skip

pytestmark = pytest.mark.skipif(not GENERATOR.exists(), reason="needs tpchgen-cli: pip install tpchgen-cli")


@pytest.fixture(scope="module")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Manager, Database]]:
    """The benchmark's tables from its generator, and a cube over them that is nothing but YAML."""
    folder = tmp_path_factory.mktemp("tpch")
    tables = "lineitem,orders,customer,supplier,nation,region"
    command = [str(GENERATOR), "parquet", "-s", SCALE_FACTOR, f"--tables={tables}", "-o", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (folder / "application.yml").write_text(MODEL, encoding="utf-8")
    with RUNNER.directory(folder).run() as context:
        yield context[Manager], context[Database]


@pytest.mark.parametrize("number", QUESTIONS)
def test_a_question_of_tpc_h_gives_what_its_sql_gives(tpch: tuple[Manager, Database], number: int) -> None:
    """Decimals with all their digits, means as the same double, rows in the same order."""
    manager, database = tpch
    question, sql = QUESTIONS[number]
    answer = manager.query_sync("tpch", CubeQuery.parse(question))
    expected = database.query(sql)
    assert len(expected) == {1: 4, 3: 10, 5: 5, 6: 1, 12: 2}[number]
    assert answer.rows == expected
    assert [[str(value) for value in row] for row in answer.rows] == [[str(value) for value in row] for row in expected]
