"""Questions as they were read, by the very bytes that asked them: asked in the same words, one is not read again.

questions.get("flights", "text/csv", body)      # None, or the question with the tag of its answer
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.olap import CubeQuery, Queryable

QUESTIONS_MAX = 1_000
BODY_BYTES_MAX = 4_096
"""A longer question takes longer to answer than to read."""


class Question:
    """A question to a cube, and the form in which it is to be answered.

    Args:
        cube: asked.
        query: as it was read.
        media_type: of the answer.
    """

    __slots__ = ("_fields", "_seen", "_tag", "cube", "media_type", "query")

    def __init__(self, cube: Queryable, query: CubeQuery, media_type: str) -> None:
        self.cube = cube
        self.query = query
        self.media_type = media_type
        self._fields = {key: value for key, value in query.to_dict().items() if key not in ("timeout", "version")}
        self._seen: tuple[str, Mapping[str, int]] | None = None
        self._tag = ""

    def tag(self) -> str:
        """Return the tag of its answer from the data as it is now."""
        return self.tag_at(self.cube.versions(self.query))

    def tag_at(self, versions: Mapping[str, int]) -> str:
        """Return what stands for its answer from some data: the question, the model, the data, and the form."""
        model = self.cube.fingerprint
        if self._seen is None or (model, versions) != self._seen:
            from app_framework.web.etag import tag_of  # it needs the web server's libraries, and this file a start

            self._seen = model, dict(versions)
            self._tag = tag_of(self.cube.name, model, self._fields, self._seen[1], self.media_type)
        return self._tag

    def __repr__(self) -> str:
        return f"<Question to {self.cube.name!r} for {self.media_type}>"


class Questions:
    """The questions that were read last, up to a number of them; used on one event loop."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[str, str, bytes], Question] = OrderedDict()

    def get(self, cube: Queryable, media_type: str, body: bytes) -> Question | None:
        """Return the question that the same bytes asked the same cube before."""
        key = (cube.name, media_type, body)
        question = self._read.get(key)
        if question is None or question.cube is not cube:
            return None
        self._read.move_to_end(key)
        return question

    def keep(self, body: bytes, question: Question) -> None:
        """Keep a question that was read from a body."""
        if len(body) > BODY_BYTES_MAX:
            return
        self._read[question.cube.name, question.media_type, body] = question
        if len(self._read) > QUESTIONS_MAX:
            self._read.popitem(last=False)

    def __len__(self) -> int:
        return len(self._read)

    def __repr__(self) -> str:
        return f"<Questions {len(self)}>"
