"""Generated commits, questions, pauses, changes of mind and branches: at every step a follower has what is true now."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Condition, Database, DatabaseLimits, Delete, Insert
from app_framework.database.changes import Change
from app_framework.olap import Cube
from tests.olap.test_continuous_queries import SALES, TABLES, Desk, Reader, asked, following, same

LEVELS = ["item", "city", "size"]
MEASURES = ["lines", "total", "middle", "share"]
ITEMS = ["tea", "cup", None, "pot", "Tea"]
SIZES = [1.0, 2.5, float("nan"), None, -0.0, 0.0]
FILTERS: list[dict[str, Any]] = [
    {}, {"item": "tea"}, {"item": ["cup", None]}, {"item": {"not": ["tea"]}}, {"city": "Graz"}, {"city": None},
    {"size": {"from": 1}}, {"item": {"prefix": "t"}, "city": ["Graz", "Linz"]},
]  # fmt: skip


class Story:
    """Random deeds, the same for the same seed."""

    def __init__(self, seed: int, database: Database, desk: Desk) -> None:
        self.random = random.Random(seed)
        self.database = database
        self.desk = desk
        self.readers: list[tuple[Reader, dict[str, Any], bool]] = []

    def question(self) -> dict[str, Any]:
        choose = self.random
        levels = choose.sample(LEVELS, choose.randrange(3))
        measures = choose.sample(MEASURES, choose.randrange(1, 4))
        question: dict[str, Any] = {"measures": measures, "levels": levels, "where": choose.choice(FILTERS)}
        question["totals"] = choose.choice(["none", "grand", "all"])
        if choose.random() < 0.5:
            by = choose.choice([*levels, *measures])
            question["order"] = [{"by": by, "descending": choose.random() < 0.5}]
        if choose.random() < 0.4:
            question |= {"limit": choose.randrange(4), "offset": choose.randrange(2)}
        if "try" in self.database.branches and choose.random() < 0.3:
            question["branch"] = "try"
        return question

    def rows(self) -> list[dict[str, object]]:
        choose = self.random
        return [
            {"item": choose.choice(ITEMS), "shop": choose.choice([1, 2, None]), "size": choose.choice(SIZES),
             "n": choose.randrange(-3, 4)}
            for _ in range(choose.randrange(1, 4))
        ]  # fmt: skip

    def change(self) -> Change:
        choose = self.random
        kind = choose.randrange(6)
        if kind < 3:
            return Insert("sales", self.rows())
        if kind == 3:
            return Insert("shop", [{"id": choose.randrange(1, 3), "city": choose.choice(["Graz", "Linz", None])}])
        if kind == 4:
            return Delete("sales", Condition("n = ?", [choose.randrange(-3, 4)]))
        return Insert("other", [{"x": 1}])

    def commit(self) -> None:
        branch = self.random.choice(["master", *self.database.branches])
        self.database.commit([self.change() for _ in range(self.random.randrange(1, 3))], branch=branch)

    def branch(self) -> None:
        if "try" not in self.database.branches:
            self.database.create_branch("try").result()
        elif self.database.branches["try"].base == self.database.version:
            self.database.fast_forward("try").result()

    async def turn(self) -> None:
        choose = self.random
        if len(self.readers) < 4 or choose.random() < 0.15:
            question = self.question()
            self.readers.append((self.desk.follow(**question), question, False))
        if choose.random() < 0.2:
            at = choose.randrange(len(self.readers))
            reader, question, paused = self.readers[at]
            (reader.follow.resume if paused else reader.follow.pause)()
            self.readers[at] = (reader, question, not paused)
        if choose.random() < 0.1:
            self.readers.pop(choose.randrange(len(self.readers)))[0].follow.stop()
        for _ in range(choose.choice([1, 1, 3])):
            await asyncio.to_thread(self.commit)
        if choose.random() < 0.2:
            await asyncio.to_thread(self.branch)

    async def all_are_right(self) -> None:
        for reader, question, paused in self.readers:
            if not paused:
                branch = self.database.branches.get(question.get("branch", "master"))
                version = branch.version if branch else self.database.version
                await reader.until(lambda reader=reader, version=version: reader.version == version)  # type: ignore[misc]
                assert same(reader.rows, asked(self.desk.cube, question)), question
                assert not reader.troubles


@given(seed=st.integers(0, 2**32))
@settings(max_examples=3)
def test_view_and_changes_are_the_newest_answer(seed: int) -> None:
    """Whatever is asked, whoever pauses, wherever rows come and go."""
    limits = DatabaseLimits(versions_kept=3)
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"], limits=limits) as database:

        async def told(desk: Desk) -> None:
            story = Story(seed, database, desk)
            for _ in range(10):
                await story.turn()
                await story.all_are_right()

        following(Cube.of(SALES, database), told)
