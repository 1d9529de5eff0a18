"""What one browser says to one cube, and what it is answered: Perspective's protocol, spoken by its own library.

This is the only module that knows the library, whose interface changes often.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app_framework.errors import FrameworkError, UserError
from app_framework.olap import CellSet, CubeQuery
from app_framework.web.pivot import wire
from app_framework.web.pivot.columns import PivotColumns
from app_framework.web.pivot.errors import PivotError
from app_framework.web.pivot.filters import OPERATORS
from app_framework.web.pivot.frame import Bounds, lay_out
from app_framework.web.pivot.layout import Layout, read_layout
from app_framework.web.pivot.view import View

if TYPE_CHECKING:
    from perspective import VirtualDataSlice

_logger = logging.getLogger(__name__)

VIEWS_MAX = 32
"""Of one browser; the one that was not looked at longest gives way, and is made again when it is needed."""

FOLDS = frozenset({wire.COLLAPSE, wire.EXPAND, wire.SET_DEPTH})
OURS = FOLDS | {wire.LISTEN, wire.UNLISTEN}
"""Requests about a view that the library does not know how to answer here."""

VIEW_IS_GONE = "The view is gone."
FAILED = "The node failed to answer; its log has the reason."

AGGREGATE = "measure"
"""The only choice there is: a measure knows how it is computed."""

FEATURES: Mapping[str, object] = {
    "group_by": True,
    "split_by": True,
    "sort": True,
    "expressions": False,
    "on_update": True,
    "group_rollup_mode": ["rollup", "flat", "total"],
    "split_rollup_mode": ["flat", "rollup"],
    "filter_ops": {shown_as: list(operators) for shown_as, operators in OPERATORS.items()},
    "aggregates": {shown_as: [AGGREGATE] for shown_as in OPERATORS},
}

Ask = Callable[[CubeQuery], CellSet]
"""Asks the cube, in the thread that calls."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back.

    Args:
        message: the answer, for Perspective; None where there is none yet.
        told: after a new view was asked for, what our page says about it: its size, or the problem.
    """

    message: bytes | None
    told: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What is sent after a commit.

    Args:
        messages: for Perspective, one for each view that shows other data now.
        told: what our page says about it.
    """

    messages: Sequence[bytes]
    told: Mapping[str, object]


class _Server(Protocol):
    """What is used of Perspective's server."""

    def handle_request(self, message: bytes) -> bytes: ...

    def close(self) -> None: ...


class Conversation:
    """Answers the messages of one browser about one cube, one after the other.

    Args:
        cube: its name, which is the table's.
        columns: what it offers.
        ask: asks the cube.
        bounds: how large a pivot may be.
    """

    def __init__(self, cube: str, columns: PivotColumns, ask: Ask, bounds: Bounds) -> None:
        from perspective import VirtualServer

        self._cube = cube
        self._handler = _Handler(cube, columns, ask, bounds)
        self._server: _Server = VirtualServer(self._handler)
        self._stale = False

    def answer(self, message: bytes) -> Reply:
        """Return the answer to a message; what cannot be answered is said in it.

        Raises:
            WireError: it is no message.
        """
        request = wire.read_envelope(message)
        self._handler.failure, self._handler.mistake = self._refusal(request), None
        if self._handler.failure is not None:
            answer = wire.failure(request, self._handler.failure, view_is_gone=self._handler.failure is VIEW_IS_GONE)
        elif request.kind == wire.LISTEN:
            self._handler.listeners.setdefault(request.entity, {})[request.number] = request
            return Reply(None)
        elif request.kind == wire.UNLISTEN:
            self._handler.listeners.get(request.entity, {}).pop(wire.read_number(request.body), None)
            answer = wire.unlistened(request)
        elif request.kind in FOLDS:
            answer = self._fold(request)
        else:
            answer = self._answer(request, message)
        return Reply(answer, self._told(request))

    def refresh(self, version: int, touches: Callable[[CubeQuery], bool]) -> Update:
        """Show what was committed in the views that are listened to.

        Args:
            version: of the commit.
            touches: whether it may change the answer to a query.
        """
        messages: list[bytes] = []
        told: dict[str, object] = {"version": version}
        for name, listeners in list(self._handler.listeners.items()):
            view = self._handler.views.get(name)
            if view is None or not listeners:
                continue
            newer, problem = self._handler.newer(view, touches)
            if problem is not None or self._stale:
                told |= {"problem": problem}
            self._stale = problem is not None
            if newer is not None:
                self._handler.views[name] = newer
                messages += [wire.updated(request) for request in listeners.values()]
                told |= {"rows": len(newer), "columns": len(newer.schema)}
        return Update(messages, told)

    def _answer(self, request: wire.Envelope, message: bytes) -> bytes:
        answer = self._server.handle_request(message)
        if self._handler.failure is None and wire.read_envelope(answer).kind == wire.FAILURE:
            _logger.error("Perspective could not answer a request of kind %d about cube %r", request.kind, self._cube)
            self._handler.failure = FAILED
        return answer if self._handler.failure is None else wire.failure(request, self._handler.failure)

    def close(self) -> None:
        """Forget everything: what holds each other across the library, no collector would find."""
        self._server.close()
        self._handler.forget()

    def _refusal(self, request: wire.Envelope) -> str | None:
        """Say why a request does not get to the library, which would break off at it or cannot do it."""
        if request.kind in wire.ABOUT_NODE:
            return None
        if request.kind in wire.ABOUT_TABLE:
            return None if request.entity == self._cube else f"There is no table {request.entity!r} here."
        if request.kind in wire.ABOUT_VIEW or request.kind in OURS:
            known = request.entity in self._handler.views or request.kind in (wire.DELETE_VIEW, wire.UNLISTEN)
            return None if known else VIEW_IS_GONE
        _logger.info("a browser asked for what a cube does not do: request of kind %d", request.kind)
        return "A cube is only looked at here."

    def _told(self, request: wire.Envelope) -> Mapping[str, object] | None:
        """What the page says: the size of a new view, or what is wrong with one that was wanted."""
        problem = self._handler.failure or self._handler.mistake
        if request.kind not in (wire.MAKE_VIEW, wire.DESCRIBE) or (problem is None and request.kind == wire.DESCRIBE):
            return None
        if problem is not None:
            return {"problem": problem}
        view = next(reversed(self._handler.views.values()))
        return {"problem": None, "rows": len(view), "columns": len(view.schema), "version": view.frame.version}

    def _fold(self, request: wire.Envelope) -> bytes:
        view, number = self._handler.views[request.entity], wire.read_number(request.body)
        if request.kind == wire.SET_DEPTH:
            view.show_depth(number)
            return wire.changed(request, 0)
        return wire.changed(request, view.open(number) if request.kind == wire.EXPAND else view.close(number))

    def __repr__(self) -> str:
        return f"<Conversation about {self._cube!r}, {len(self._handler.views)} views>"


class _Handler:
    """What Perspective's virtual server calls.

    An exception that reaches it comes out as a traceback, in the browser and on standard error. So what goes wrong is
    kept in `failure`, something empty is returned, and the conversation says what went wrong. A `mistake` is told
    in an answer that is none the less one.
    """

    def __init__(self, cube: str, columns: PivotColumns, ask: Ask, bounds: Bounds) -> None:
        self.views: OrderedDict[str, View] = OrderedDict()
        self.listeners: dict[str, dict[int, wire.Envelope]] = {}
        self.failure: str | None = None
        self.mistake: str | None = None
        self._cube = cube
        self._columns = columns
        self._ask = ask
        self._bounds = bounds

    def forget(self) -> None:
        self.views.clear()
        self.listeners.clear()
        self._ask = _nobody

    def get_features(self) -> Mapping[str, object]:
        return FEATURES

    def get_hosted_tables(self) -> list[str]:
        return [self._cube]

    def table_schema(self, _table: str, _config: object = None) -> Mapping[str, str]:
        return self._columns.schema

    def table_size(self, _table: str) -> int:
        """What the browser shows beside the rows that are open: the rows there are."""
        return next(reversed(self.views.values())).size if self.views else 0

    def table_describe(self, _table: str, config: Mapping[str, Any]) -> Mapping[str, object]:
        """Say what a view would have, without asking the cube: its columns before they are split."""
        try:
            layout = read_layout(self._columns, config)
        except PivotError as error:
            self.mistake = str(error)
            return {"config_error": self.mistake}
        return {
            "expression_schema": {},
            "view_schema": {column.name: column.shown_as for column in layout.columns},
        }

    def table_make_view(self, _table: str, name: str, config: Mapping[str, Any]) -> None:
        try:
            layout = read_layout(self._columns, config)
            view = View(layout, lay_out(layout, self._answers(layout), self._bounds))
            if (depth := config.get("group_by_depth")) is not None:
                view.show_depth(int(depth))
            self.views[name] = view
        except (UserError, FrameworkError) as error:
            self.failure = str(error)
        except Exception:
            _logger.exception("a pivot of cube %r failed", self._cube)
            self.failure = FAILED
        while len(self.views) > VIEWS_MAX:
            self.listeners.pop(self.views.popitem(last=False)[0], None)

    def newer(self, view: View, touches: Callable[[CubeQuery], bool]) -> tuple[View | None, str | None]:
        """Return a view over the newest data where that shows something else; and why it cannot be had, if so."""
        layout = view.layout
        try:
            if not any(touches(question.query) for question in layout.questions):
                return None, None
            frame = lay_out(layout, self._answers(layout), self._bounds)
            return (None if frame == view.frame else view.over(frame)), None
        except (UserError, FrameworkError) as error:
            return None, str(error)
        except Exception:
            _logger.exception("a pivot of cube %r could not be brought up to date", self._cube)
            return None, FAILED

    def _answers(self, layout: Layout) -> Sequence[tuple[Any, CellSet]]:
        return [(question, self._ask(question.query)) for question in layout.questions]

    def view_schema(self, name: str, _config: object) -> Mapping[str, str]:
        return self.views[name].schema

    def view_size(self, name: str) -> int:
        return len(self.views[name])

    def view_column_size(self, name: str, _config: object) -> int:
        return len(self.views[name].schema)

    def view_delete(self, name: str) -> None:
        self.views.pop(name, None)
        self.listeners.pop(name, None)

    def view_get_min_max(self, name: str, column: str, _config: object) -> tuple[object, object]:
        return self.views[name].extremes(column)

    def view_get_data(
        self, name: str, _config: object, _schema: object, viewport: Mapping[str, int], data: VirtualDataSlice
    ) -> None:
        self.views.move_to_end(name)
        rows = (viewport.get("start_row") or 0, viewport.get("end_row"))
        columns = (viewport.get("start_col") or 0, viewport.get("end_col"))
        data.from_arrow_ipc(self.views[name].window(rows, columns))


def _nobody(_query: CubeQuery) -> CellSet:
    raise PivotError("This pivot is closed.")
