"""A folder as configuration: each file is a key, its content the value (secrets of containers are mounted so)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.property_source import ConfigValue, merged
from app_framework.boot.origin import Origin

_FILE_BYTES_MAX = 1_000_000
_FILES_MAX = 10_000


def read_config_tree(folder: Path, shown: str) -> tuple[ConfigValue, tuple[ConfigProblem, ...]]:
    """Return the values of a folder: dots in a file's name and folders below nest, one last newline is dropped.

    Hidden files are left out: mounted secrets keep their versions in them.
    """
    origin = Origin(f"configtree {shown}", path=folder)
    root = ConfigValue({}, origin, origin)
    problems = []
    for file in _files(folder):
        name = str(file.relative_to(folder))
        at = Origin(f"configtree {shown.rstrip('/')}/{name}", path=file)
        try:
            root = merged(root, _nested(file, name, at))
        except (OSError, ValueError) as error:
            reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            problems.append(
                ConfigProblem(
                    "bad-file",
                    f"the file cannot be a value: {reason}",
                    at,
                    action="Correct the file, or move it out of the folder.",
                )
            )
    return root, tuple(problems)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names."""
    waiting, count = [folder], 0
    while waiting:
        for entry in sorted(waiting.pop(0).iterdir()):
            count += 1
            if entry.name.startswith(".") or count > _FILES_MAX:
                continue
            if entry.is_dir():
                waiting.append(entry)
            else:
                yield entry


def _nested(file: Path, name: str, origin: Origin) -> ConfigValue:
    if file.stat().st_size > _FILE_BYTES_MAX:
        raise ValueError(f"it is larger than {_FILE_BYTES_MAX // 1_000_000} MB")
    text = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    value = ConfigValue(text, origin, origin)
    for step in reversed(name.replace("/", ".").replace("\\", ".").split(".")):
        value = ConfigValue({step: value}, origin, origin)
    return value
