"""Finding the application that a command line names: `main:app` is the object `app` in the module `main`.

The module is looked up in the current folder first, then among what is installed.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from app_framework.cli.failures import CommandError
from app_framework.errors import did_you_mean, near_matches

if TYPE_CHECKING:
    from app_framework.boot import Application

_PACKAGES = ("site-packages", "dist-packages")


def find_application(target: str, folder: Path) -> Application:
    """Return the application that `target` names.

    Args:
        target: ``MODULE:attribute``; the attribute may be left out where the module has one application.
        folder: where the module is looked up first.

    Raises:
        CommandError: there is no such module or object, it is something else, or the module cannot be imported.
    """
    name, _, attribute = target.partition(":")
    _refuse_path(name, attribute)
    module = _import(name, attribute, folder)
    return _application(module, attribute)


def _refuse_path(name: str, attribute: str) -> None:
    """A file name is an understandable slip: say the module's name."""
    if name.endswith(".py") or "/" in name or "\\" in name:
        meant = ".".join(Path(name.replace("\\", "/")).with_suffix("").parts).lstrip("./")
        raise CommandError(
            f"'{name}' is a file; an application is named by its module.",
            f"Did you mean: {meant}:{attribute or 'app'}",
        )
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise CommandError(f"'{name}' is no name of a module.", "Name the application as MODULE:app, such as main:app.")


def _import(name: str, attribute: str, folder: Path) -> ModuleType:
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise _no_module(name, attribute, folder) from error
        raise _missing_library(name, error, folder) from error
    except SyntaxError as error:
        raise _syntax_error(error, folder) from error
    except SystemExit as error:
        raise CommandError(
            f"Module '{name}' ends the process while it is imported ({_raised_at(error, folder)}).",
            'Put what runs the application below: if __name__ == "__main__":',
        ) from error
    except Exception as error:  # a module may fail in any way while it is imported
        raise CommandError(
            f"Module '{name}' cannot be imported: {type(error).__name__}: {error}\n"
            f"It was raised at {_raised_at(error, folder)}.",
            "Mend the cause above. The whole traceback is shown with --debug.",
        ) from error


def _no_module(name: str, attribute: str, folder: Path) -> CommandError:
    near = [f"{each}:{attribute or 'app'}" for each in near_matches(name, _modules_beside(name, folder))]
    return CommandError(
        f"There is no module '{name}': not in {folder}, and none is installed.",
        did_you_mean(near) or "Name the application as MODULE:app, and run the command in the folder of MODULE.",
    )


def _missing_library(name: str, error: ModuleNotFoundError, folder: Path) -> CommandError:
    wanted = (error.name or "").partition(".")[0]
    public = (each for each in sys.stdlib_module_names if not each.startswith("_"))
    near = did_you_mean(near_matches(wanted, [*_modules_beside("", folder), *public]))
    action = f"Install what it needs (pip install {wanted}), or correct the import."
    return CommandError(
        f"Module '{name}' cannot be imported: it needs '{error.name}', which is not installed.\n"
        f"It is imported at {_raised_at(error, folder)}.",
        f"{action} {near}".rstrip(),
    )


def _syntax_error(error: SyntaxError, folder: Path) -> CommandError:
    place = f"{_shown(error.filename or '', folder)}:{error.lineno}:{error.offset}"
    line = f"\n  {error.text.strip()}" if error.text else ""
    return CommandError(f"{place}: {error.msg}.{line}", "Correct the Python code there.")


def _application(module: ModuleType, attribute: str) -> Application:
    from app_framework.boot import Application

    there = {name: value for name, value in vars(module).items() if isinstance(value, Application)}
    if attribute in there:
        return there[attribute]
    if not attribute and len(there) == 1:
        return next(iter(there.values()))
    raise CommandError(_what_is_wrong(module, attribute), _what_to_name(module, attribute, list(there)))


def _what_is_wrong(module: ModuleType, attribute: str) -> str:
    if not attribute:
        return f"Module '{module.__name__}' does not have exactly one Application."
    if not hasattr(module, attribute):
        return f"Module '{module.__name__}' has no '{attribute}'."
    kind = type(getattr(module, attribute))
    shown = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{module.__name__}:{attribute} is a {shown}, not an Application."


def _what_to_name(module: ModuleType, attribute: str, there: list[str]) -> str:
    if not there:
        return f'Write app = Application(name="…", sources=[…]) in it, and name it as {module.__name__}:app.'
    near = near_matches(attribute, there) or there
    return did_you_mean(f"{module.__name__}:{name}" for name in near)


def _modules_beside(name: str, folder: Path) -> list[str]:
    """Return the modules in the folder of a dotted name: files, and folders that hold some."""
    above = name.split(".")[:-1]
    place = folder.joinpath(*above)
    if not place.is_dir():
        above, place = [], folder
    found = [path.stem for path in place.glob("*.py") if path.stem.isidentifier()]
    found += [path.name for path in place.iterdir() if path.name.isidentifier() and any(path.glob("*.py"))]
    return [".".join([*above, each]) for each in sorted(found)]


def _raised_at(error: BaseException, folder: Path) -> str:
    """Return the innermost place that is the user's own code, else the innermost at all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename, folder)] or frames
    return f"{_shown(own[-1].filename, folder)}:{own[-1].lineno}"


def _is_users(filename: str, folder: Path) -> bool:
    path = Path(filename)
    return path.is_relative_to(folder) and not any(part in _PACKAGES for part in path.relative_to(folder).parts)


def _shown(filename: str, folder: Path) -> str:
    path = Path(filename)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else filename
