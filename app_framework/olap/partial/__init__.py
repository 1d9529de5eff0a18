"""Parts of answers: what a node sends of the cells of a cube, and how the parts of several become the whole.

split_plan = split(plan_query(model, query))
answer = await PartialAnswerer(cube.model, database).answer(PartialQuestion(split_plan.asked))
cells = await CellMerger(model, empty_database).cells(split_plan, [ApplicationPart(...)], query)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.olap.partial.answer import PartialAnswer, PartialAnswerError
    from app_framework.olap.partial.answering import PartialAnswerer
    from app_framework.olap.partial.arranging import ApplicationPart
    from app_framework.olap.partial.dictionaries import KnownDictionaries
    from app_framework.olap.partial.merging import CellMerger
    from app_framework.olap.partial.projection import Knowledge, Replication, project
    from app_framework.olap.partial.question import (
        PartialCell,
        PartialFrame,
        PartialQuestion,
        PartialQuestionError,
        Restriction,
    )
    from app_framework.olap.partial.splitting import Split, distributable, resolve_defaults, split

__all__ = [
    "ApplicationPart",
    "CellMerger",
    "Knowledge",
    "KnownDictionaries",
    "PartialAnswer",
    "PartialAnswerError",
    "PartialAnswerer",
    "PartialCell",
    "PartialFrame",
    "PartialQuestion",
    "PartialQuestionError",
    "Replication",
    "Restriction",
    "Split",
    "distributable",
    "project",
    "resolve_defaults",
    "split",
]

__getattr__, __dir__ = open_menu(
    __name__,
    {
        "ApplicationPart": "arranging",
        "CellMerger": "merging",
        "Knowledge": "projection",
        "KnownDictionaries": "dictionaries",
        "PartialAnswer": "answer",
        "PartialAnswerError": "answer",
        "PartialAnswerer": "answering",
        "PartialCell": "question",
        "PartialFrame": "question",
        "PartialQuestion": "question",
        "PartialQuestionError": "question",
        "Replication": "projection",
        "Restriction": "question",
        "Split": "splitting",
        "distributable": "splitting",
        "project": "projection",
        "resolve_defaults": "splitting",
        "split": "splitting",
    },
)
