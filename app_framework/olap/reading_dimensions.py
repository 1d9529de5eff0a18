"""Dimensions, hierarchies and levels, from the shapes of YAML to definitions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app_framework.errors import near_matches
from app_framework.olap.calendar import PARTS, STANDARD
from app_framework.olap.definition import (
    ConfigurationPath,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    OrderDefinition,
)
from app_framework.olap.shapes import TEXTS, ShapeReader, lacks

_COLUMN = re.compile(r'(?:[^\W\d]\w*|"[^"]+")(?:\.(?:[^\W\d]\w*|"[^"]+"))*')
_SHOWN = ("format", "visible", *TEXTS)


class DimensionReader(ShapeReader):
    """Reads dimensions; what has the wrong shape is left out and its problem kept."""

    def dimension(self, name: str, document: object, path: ConfigurationPath) -> DimensionDefinition:
        """Read a dimension: a list of levels is the short form of one hierarchy with the dimension's name."""
        if isinstance(document, Mapping) and "hierarchies" in document:
            entries = self.mapping(document, path, "a dimension with `hierarchies`", ("hierarchies", *TEXTS))
            found = self.entries(entries, "hierarchies", path)
            if not found and not entries["hierarchies"]:
                self.add(path, "LEVELS_REQUIRED", f"dimension {name!r} has no hierarchies.", of_key=True)
            hierarchies = tuple(
                self._hierarchy(key, value, name, (*path, "hierarchies", key)) for key, value in found.items()
            )
            texts = self.text(entries, "caption", path), self.text(entries, "description", path)
            return DimensionDefinition(name, hierarchies, path, *texts)
        if isinstance(document, Mapping) and "levels" not in document and "date" not in document:
            self.refuse_keys(document, ("hierarchies", "levels", "date", *TEXTS), path, "a dimension")
            if all(lacks(document, key) for key in ("levels", "hierarchies", "date")):
                text = f"dimension {name!r} needs `levels`, `date` or `hierarchies`."
                self.add(path, "LEVELS_REQUIRED", text, of_key=True)
            return DimensionDefinition(name, (), path)
        hierarchy = self._hierarchy(name, document, name, path)
        return DimensionDefinition(name, (hierarchy,), path, hierarchy.caption, hierarchy.description)

    def _hierarchy(self, name: str, document: object, dimension: str, path: ConfigurationPath) -> HierarchyDefinition:
        if not isinstance(document, Mapping):
            if document is None or document == []:
                text = f"hierarchy {dimension}.{name} needs levels: a list of columns, `levels`, or `date`."
                self.add(path, "LEVELS_REQUIRED", text, of_key=True)
                return HierarchyDefinition(name, (), path)
            return HierarchyDefinition(name, self._levels(document, path), path)
        known = ("levels", "date", "slicing", "default", "folder", "visible", *TEXTS)
        entries = self.mapping(document, path, "a hierarchy", known)
        if lacks(document, "levels") and lacks(document, "date"):
            text = f"hierarchy {dimension}.{name} needs `levels` or `date`."
            self.add(path, "LEVELS_REQUIRED", text, of_key=True)
        slicing = self.flag(entries, "slicing", path)
        if "default" in entries and not slicing:
            self.add((*path, "default"), "NOT_SLICING", "only a slicing hierarchy has a default member.", of_key=True)
        date = self.text(entries, "date", path)
        return HierarchyDefinition(
            name,
            self._levels_of(entries, date, path),
            path,
            slicing,
            entries.get("default"),
            self.text(entries, "caption", path),
            self.text(entries, "description", path),
            self.text(entries, "folder", path),
            self.flag(entries, "visible", path, default=True),
            date,
        )

    def _levels_of(
        self, entries: Mapping[str, object], date: str | None, path: ConfigurationPath
    ) -> tuple[LevelDefinition, ...]:
        """Read the levels of a hierarchy, a date's if it has one."""
        levels = entries.get("levels")
        if date is None:
            return () if "date" in entries or levels is None else self._levels(levels, (*path, "levels"))
        if levels is None:
            return tuple(PARTS[name].level(name, date, (*path, "date")) for name in STANDARD)
        return self._levels(levels, (*path, "levels"), date)

    def _levels(
        self, document: object, path: ConfigurationPath, date: str | None = None
    ) -> tuple[LevelDefinition, ...]:
        if isinstance(document, str):
            document = [document]
        if isinstance(document, Mapping):
            read = [self._level(str(name), body, (*path, str(name)), date) for name, body in document.items()]
        elif isinstance(document, Sequence):
            read = [self._listed_level(item, (*path, position), date) for position, item in enumerate(document)]
        else:
            self.add(path, "INVALID_SHAPE", "levels are a list of columns, or map names to expressions.")
            return ()
        return tuple(level for level in read if level is not None)

    def _listed_level(self, item: object, path: ConfigurationPath, date: str | None) -> LevelDefinition | None:
        if isinstance(item, Mapping) and len(item) == 1:
            ((name, body),) = item.items()
            return self._level(str(name), body, (*path, str(name)), date)
        if not isinstance(item, str) or not item.strip():
            self.add(path, "INVALID_SHAPE", "a level is a column, or `name: expression`.")
            return None
        if date is not None:
            return self._part(item.strip(), item.strip(), date, path)
        if not _COLUMN.fullmatch(item.strip()):
            self.add(
                path, "NAME_REQUIRED", f"a level by an expression needs a name: write `name: {item}` or {{name: …}}."
            )
            return None
        name = re.findall(r'"[^"]+"|\w+', item)[-1].strip('"')
        return LevelDefinition(name, item.strip(), path)

    def _level(self, name: str, body: object, path: ConfigurationPath, date: str | None) -> LevelDefinition | None:
        if isinstance(body, str):
            return LevelDefinition(name, body, path) if date is None else self._part(name, body, date, path)
        sources = ("column", "expression", "part")
        entries = self.mapping(body, path, "a level", (*sources, "order", *_SHOWN))
        written = [key for key in sources if key in entries]
        if len(written) != 1:
            if written or (isinstance(body, Mapping) and all(lacks(body, key) for key in sources)):
                choice = "`column` and `expression`" if date is None else "`part`, `column` and `expression`"
                self.add(path, "INVALID_SHAPE", f"level {name!r} needs one of {choice}.", of_key=True)
            return None
        text = self.text(entries, written[0], path)
        place = (*path, written[0])
        if text is None:
            return None
        part = written[0] == "part"
        level = self._part(name, text, date, place) if part else LevelDefinition(name, text, place)
        order = self._order(entries["order"], (*path, "order")) if "order" in entries else None
        return level and replace(
            level,
            caption=self.text(entries, "caption", path) or level.caption,
            description=self.text(entries, "description", path),
            format=self.text(entries, "format", path),
            visible=self.flag(entries, "visible", path, default=True),
            order=order or level.order,
        )

    def _order(self, document: object, path: ConfigurationPath) -> OrderDefinition | None:
        """Read the order of members: a list of those that come first, or a sort key, or a direction."""
        if isinstance(document, Sequence) and not isinstance(document, str):
            return self._listed_order(document, path)
        if not isinstance(document, Mapping):
            text = "`order` is a list of members, `{by: column or expression}` or `{descending: true}`."
            self.add(path, "INVALID_SHAPE", text)
            return None
        entries = self.mapping(document, path, "an order", ("by", "descending"))
        by = self.text(entries, "by", path)
        return OrderDefinition(path, (), by, self.flag(entries, "descending", path))

    def _listed_order(self, members: Sequence[object], path: ConfigurationPath) -> OrderDefinition:
        for position, member in enumerate(members):
            if member is None:
                self.add((*path, position), "INVALID_MEMBER", "a missing member is always last; leave it out.")
            elif isinstance(member, Mapping | list):
                self.add((*path, position), "INVALID_MEMBER", "a member is a plain value.")
            elif member in members[:position]:
                self.add((*path, position), "DUPLICATE_MEMBER", f"{member!r} is listed twice.")
        return OrderDefinition(path, tuple(m for m in members if m is not None and not isinstance(m, Mapping | list)))

    def _part(self, name: str, word: str, date: str | None, path: ConfigurationPath) -> LevelDefinition | None:
        """Return the level of a part of a date, such as its month."""
        if date is None:
            text = "only a hierarchy with `date` has levels that are parts of it."
            self.add(path, "DATE_REQUIRED", text, of_key=True)
            return None
        part = PARTS.get(word)
        if part is None:
            near = near_matches(word, PARTS)
            known = "" if near else f"; there are: {', '.join(PARTS)}"
            self.add(path, "UNKNOWN_PART", f"a date has no part {word!r}{known}.", near, word=word)
            return None
        return part.level(name, date, path)
