"""Six million facts, made once by a formula, always the same, in the order of their days, and small tables beside them.

with Ground(rows=600_000) as ground:
    ground.cube.query_sync(CubeQuery(measures=["lines"]))     # a cube in this process
    ground.node.port                                          # the same in a node of its own
    ground.raw.execute("SELECT count(*) FROM sales")          # the same files in raw DuckDB
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import duckdb

from app_framework.boot import Environment
from app_framework.database import Database
from app_framework.database.properties import DatabaseProperties
from app_framework.olap import Cube, build_cubes, read_model
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.properties import OlapProperties
from benchmarks.processes import ROOT, Served, af, served
from benchmarks.start import READY

ROWS = 6_000_000
FORMULA = 1
"""Counts up with every change of what is made, so that older files are not taken for it."""

CACHE = ROOT / ".make" / "bench"
CUSTOMERS = 100_000
TABLES = ("sales", "products", "stores")

MODEL = """\
app: {{name: bench}}
server: {{max-body-size: 1GB}}
database:
  path: facts.duckdb
  tables:
    sales: {{source: {{parquet: sales.parquet}}}}
    products: {{source: {{parquet: products.parquet}}, key: product}}
    stores: {{source: {{parquet: stores.parquet}}, key: store}}
  references:
    - sales.product -> products.product
    - sales.store -> stores.store
schemas:
  Bench:
    base: sales
    cubes:
      facts:
        aggregates: none
{cube}
      covered:
        aggregates: auto
{cube}
"""
CUBE = """\
        dimensions:
          Date:
            hierarchies:
              Calendar: {levels: [year, month, {day: day}]}
              Day: {levels: {day_of_month: "day(day)"}}
          Product: [department, category, product]
          Brand: [products.brand]
          Store: [region, country]
          City: [stores.city]
          Customer: [segment, customer]
          Channel: [channel]
          Payment: [payment]
          Status: [status]
          Carrier: [carrier]
          Priority: [priority]
          Sale: [sale]
        measures:
          lines: {count: "*"}
          quantity: {sum: quantity}
          revenue: {sum: revenue}
          cost: {sum: cost}
          weight: {sum: weight}
          delay: {sum: delay}
          mean_discount: {avg: discount}
          largest: {max: price}
          median_delay: {median: delay}
          customers: {count_distinct: customer}
          customers_about: {approx_count_distinct: customer}
          margin: {formula: "(revenue - cost) / revenue"}
"""

# 27 columns. `hash` is DuckDB's own and has no seed; the second argument makes another series of it.
SALES = """
WITH rolled AS (
  SELECT
    i AS sale,
    DATE '2021-01-01' + (i * 1461 // {rows})::INT AS day,
    (hash(i, 1) % 1000)::INT AS product,
    (hash(i, 2) % 500)::INT AS store,
    (hash(i, 3) % {customers})::INT AS customer,
    (hash(i, 4) % 50)::INT + 1 AS quantity,
    (hash(i, 5) % 90000 + 1000) / 100.0::DOUBLE AS price,
    (hash(i, 6) % 11) / 100.0::DOUBLE AS discount,
    i
  FROM range({rows}) AS numbers(i)
)
SELECT
  sale, day, year(day)::SMALLINT AS year, month(day)::SMALLINT AS month,
  product,
  printf('category %02d', product % 100) AS category,
  printf('department %02d', product % 100 % 12) AS department,
  store,
  printf('country %02d', store % 25) AS country,
  printf('region %d', store % 25 % 5) AS region,
  customer,
  ['household', 'office', 'school', 'trade', 'travel'][customer % 5 + 1] AS segment,
  ['web', 'shop', 'phone', 'partner'][(hash(i, 7) % 4)::INT + 1] AS channel,
  ['card', 'cash', 'invoice', 'wallet', 'voucher', 'transfer'][(hash(i, 8) % 6)::INT + 1] AS payment,
  ['open', 'paid', 'sent', 'returned'][(hash(i, 9) % 4)::INT + 1] AS status,
  ['air', 'bike', 'mail', 'rail', 'ship', 'truck', 'van'][(hash(i, 10) % 7)::INT + 1] AS carrier,
  ['low', 'middle', 'high', 'urgent', 'none'][(hash(i, 11) % 5)::INT + 1] AS priority,
  quantity, price, discount,
  (hash(i, 12) % 9) / 100.0::DOUBLE AS tax,
  quantity * price * (1 - discount) AS revenue,
  quantity * price * 0.6 AS cost,
  (hash(i, 13) % 5000)::INT AS weight,
  (hash(i, 14) % 480)::DOUBLE - 60 AS delay,
  (hash(i, 15) % 5)::SMALLINT + 1 AS rating,
  hash(i, 16) % 20 = 0 AS returned
FROM rolled
ORDER BY sale
"""
PRODUCTS = """
SELECT i::INT AS product, printf('product %04d', i) AS name, printf('brand %02d', i % 40) AS brand
FROM range(1000) AS numbers(i)
"""
STORES = """
SELECT i::INT AS store, printf('store %03d', i) AS name, printf('city %03d', i % 250) AS city
FROM range(500) AS numbers(i)
"""


def made(rows: int, cache: Path = CACHE) -> Path:
    """Return the folder with the Parquet files of so many facts; they are made when they are not there."""
    folder = cache / f"facts-{rows}-{FORMULA}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished, duckdb.connect() as connection:
            sales = SALES.format(rows=rows, customers=CUSTOMERS)
            for name, sql in zip(TABLES, (sales, PRODUCTS, STORES), strict=True):
                file = Path(unfinished, "files", f"{name}.parquet")
                file.parent.mkdir(exist_ok=True)
                connection.execute(f"COPY ({sql}) TO '{file}' (FORMAT parquet)")
            file.parent.rename(folder)
    return folder


@dataclass(frozen=True, slots=True)
class Model:
    """An `application.yml` as the database and the cubes read it."""

    database: DatabaseProperties
    cubes: OlapProperties

    @staticmethod
    def of(folder: Path) -> Model:
        """Read the one of a folder."""
        environment = Environment.load(directory=folder)
        environment.claim([DatabaseProperties, OlapProperties])
        return Model(environment.bind(DatabaseProperties), environment.bind(OlapProperties))

    def open(self) -> Database:
        """Open the database, loading what it does not hold."""
        stored = self.database
        return Database.open(
            str(stored.path), tables=stored.declared(), references=stored.references, limits=stored.limits()
        )

    def build(self, database: Database, limits: AggregateLimits | None = None) -> Mapping[str, Cube]:
        """Return the cubes."""
        built = build_cubes(read_model(self.cubes.schemas, self.cubes.catalogs).cubes, database, limits=limits)
        return {cube.name: cube for cube in built}


class Ground:
    """The same facts in every shape that is asked for; each is made when it is asked for first, and gone at the end.

    Args:
        rows: how many facts.
        cache: where their Parquet files stay.
    """

    def __init__(self, rows: int = ROWS, cache: Path = CACHE) -> None:
        self.rows = rows
        self._cache = cache
        self._stack = contextlib.ExitStack()

    @cached_property
    def files(self) -> Path:
        """The folder of the Parquet files."""
        return made(self.rows, self._cache)

    @cached_property
    def node(self) -> Served:
        """A node that serves the cube `facts`."""
        return self._stack.enter_context(self.fresh_node())

    @cached_property
    def database(self) -> Database:
        """A database of this process."""
        return self._stack.enter_context(Model.of(self._copy()).open())

    @cached_property
    def cubes(self) -> Mapping[str, Cube]:
        """The cubes over that: `facts` reads the rows, `covered` keeps aggregates of what it is asked."""
        return self.cubes_of(self.database)

    @property
    def cube(self) -> Cube:
        """The cube `facts`."""
        return self.cubes["facts"]

    def cubes_of(self, database: Database, limits: AggregateLimits | None = None) -> Mapping[str, Cube]:
        """Return the cubes over a database."""
        return Model.of(self._folder).build(database, limits)

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[Database]:
        """Open a database of this process that may be changed."""
        folder = self._copy()
        try:
            with Model.of(folder).open() as database:
                yield database
        finally:
            shutil.rmtree(folder)

    @cached_property
    def raw(self) -> duckdb.DuckDBPyConnection:
        """DuckDB without anything of ours, over the very file that our database wrote."""
        return self._stack.enter_context(duckdb.connect(str(self._copy() / "facts.duckdb"), read_only=True))

    @contextlib.contextmanager
    def fresh_node(self, *settings: str) -> Iterator[Served]:
        """Start a node that nobody has asked yet, end it with the block."""
        folder = self._copy()
        command = af("run", f"--config={folder}", "--server.port={port}", f"--app.data-dir={folder}/.app", *settings)
        try:
            with served(command, READY) as node:
                yield node
        finally:
            shutil.rmtree(folder)

    def copied_file(self) -> Path:
        """Return a copy of the database file."""
        return self._copy() / "facts.duckdb"

    @cached_property
    def _folder(self) -> Path:
        """A folder that is an application with its data loaded."""
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-facts-")), "first")
        folder.mkdir()
        (folder / "application.yml").write_text(MODEL.format(cube=CUBE), encoding="utf-8")
        for name in TABLES:
            (folder / f"{name}.parquet").symlink_to(self.files / f"{name}.parquet")
        Model.of(folder).open().close()
        return folder

    def _copy(self) -> Path:
        """Return a copy of it, for a process of its own."""
        folder = Path(tempfile.mkdtemp(dir=self._folder.parent))
        shutil.copytree(self._folder, folder, symlinks=True, dirs_exist_ok=True)
        return folder

    def __enter__(self) -> Ground:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __repr__(self) -> str:
        return f"<Ground {self.rows:,} facts>"
