"""The files of rejected rows are bounded: a commit that has no room for its bad rows is refused as a whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from app_framework.database import Database, DatabaseLimits, Insert, RejectsFullError, Table, TooManyRejectedError

SALES = Table("sales", columns={"n": "tinyint"})
BAD = [{"n": 1}, {"n": "many"}]


def reject_for_ever(database: Database) -> None:
    while True:
        database.commit([Insert("sales", BAD)], on_error="reject")


def test_rejected_rows_have_room_until_their_files_are_as_large_as_they_may_be(tmp_path: Path) -> None:
    limits = DatabaseLimits(rejects_bytes_max=400)
    with Database.open(tables=[SALES], limits=limits, rejects=tmp_path / "rejects") as database:
        first = database.commit([Insert("sales", BAD)], on_error="reject")
        assert first.rejected == 1
        with pytest.raises(RejectsFullError, match=r"400 bytes \(`database.rejects.max-size`\). Remove those from"):
            reject_for_ever(database)
        rows = database.query("SELECT count(*) FROM sales")[0][0]
        files = list((tmp_path / "rejects").iterdir())
        assert (rows, sum(file.stat().st_size for file in files) <= 400) == (len(files), True)
        assert first.rejects is not None
        first.rejects.unlink()
        assert database.commit([Insert("sales", BAD)], on_error="reject").rejected == 1


@pytest.mark.parametrize("rows", [[{"n": "many"}] * 3, pa.table({"n": [1_000] * 3})], ids=["rows", "columns"])
def test_one_commit_rejects_no_more_rows_than_it_may(tmp_path: Path, rows: list[object] | pa.Table) -> None:
    limits = DatabaseLimits(rejected_rows_max=2)
    with Database.open(tables=[SALES], limits=limits, rejects=tmp_path) as database:
        with pytest.raises(TooManyRejectedError, match=r"more than 2 rows .*`database.rejects.max-rows`"):
            database.commit([Insert("sales", rows)], on_error="reject")  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())
