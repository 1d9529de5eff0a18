"""Arrays added up element by element as SQL: each element a row, grouped by its place, and put together again.

The engine streams the elements, so that the memory it takes is that of the answer, however many arrays there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app_framework.database.sql import quote
from app_framework.olap.cells import GROUPING, indented, select_cells
from app_framework.olap.facts import Facts
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure

ARRAY, ELEMENT, PLACE = quote("#array"), quote("#element"), quote("#place")


def element_cells(
    frame: Frame,
    keys: Sequence[str],
    groupings: Sequence[int],
    measure: AggregateMeasure,
    value: str,
    rows: tuple[str, Sequence[str]],
    facts: Facts,
) -> str:
    """Return the query of the cells of a frame with one array each.

    Args:
        frame: whose cells they are.
        keys: the SQL of its levels over a row.
        groupings: those that are wanted.
        measure: what is put together.
        value: the SQL of its array over a row.
        rows: what stands after FROM, and the conditions on the rows.
        facts: what the rows are.
    """
    names = [quote(key.name) for key in frame.keys]
    columns = [f"{sql} AS {name}" for sql, name in zip(keys, names, strict=True)]
    laid_out = [quote(GROUPING)] if facts.grouping else []
    columns += [f"{facts.grouping} AS {name}" for name in laid_out]
    arrays = select_cells([*columns, f"{value} AS {ARRAY}"], *rows, "")
    spread = [*names, *laid_out, f"unnest({ARRAY}) AS {ELEMENT}", f"unnest(range(1, len({ARRAY}) + 1)) AS {PLACE}"]
    elements = select_cells(spread, f"(\n{indented(arrays)}\n)", [], "")
    sets = [[name for i, name in enumerate(names) if not grouping >> i & 1] for grouping in groupings]
    details = [*groupings] == [0]
    group_by = ", ".join([*names, *laid_out, PLACE])
    if not details and not laid_out:
        written = (", ".join([*one, PLACE]) for one in sets)
        group_by = f"GROUPING SETS ({', '.join(f'({one})' for one in written)})"
    bits = quote(GROUPING) if laid_out else "0" if details else f"GROUPING({', '.join(reversed(names))})"
    total = f"{facts.element(measure, ELEMENT)} AS {ELEMENT}"
    totals = select_cells(
        [*names, f"{bits} AS {quote(GROUPING)}", PLACE, total], f"(\n{indented(elements)}\n)", [], group_by
    )
    whole = [*names, quote(GROUPING), f"list({ELEMENT} ORDER BY {PLACE}) AS {ARRAY}"]
    return select_cells(whole, f"(\n{indented(totals)}\n)", [], "ALL")


def join_arrays(frame: Frame, cells: str, arrays: Mapping[str, tuple[AggregateMeasure, str]]) -> str:
    """Return the query of cells whose columns of lengths become arrays; lengths that differ are an error.

    Args:
        frame: whose cells they are.
        cells: the table of the cells.
        arrays: column → what it is, and the table with its arrays.
    """
    columns, joins = [], []
    for i, (column, (measure, table)) in enumerate(arrays.items(), 1):
        name = quote(column)
        least, most, kind = f"c.{name}[1]", f"c.{name}[2]", measure.type.sql
        told = f"concat('arrays of ', {least}, ' and ', {most}, ' elements cannot be put together.')"
        columns.append(
            f"CASE WHEN {least} <> {most} THEN error({told}) WHEN {most} = 0 THEN CAST([] AS {kind})"
            f" ELSE CAST(a{i}.{ARRAY} AS {kind}) END AS {name}"
        )
        same = [f"a{i}.{quote(GROUPING)} = c.{quote(GROUPING)}"]
        same += [f"a{i}.{quote(key.name)} IS NOT DISTINCT FROM c.{quote(key.name)}" for key in frame.keys]
        joins.append(f"LEFT JOIN {table} AS a{i} ON " + "\n  AND ".join(same))
    return f"SELECT c.* REPLACE ({', '.join(columns)})\nFROM {cells} AS c\n" + "\n".join(joins)
