"""`MODULE:app`: finding it, and saying what is wrong when it cannot be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.cli.failures import CommandError
from app_framework.cli.target import find_application
from tests.cli.conftest import Af

SHOP = 'from app_framework import Application\napp = Application(name="shop")\nprice = 3\n'


def mistake(target: str, folder: Path) -> CommandError:
    with pytest.raises(CommandError) as caught:
        find_application(target, folder)
    return caught.value


def test_an_application_is_found_in_the_current_folder(folder: Path) -> None:
    """Also without its name, where the module has only one."""
    (folder / "shop.py").write_text(SHOP)
    assert find_application("shop:app", folder).name == "shop"
    assert find_application("shop", folder) is find_application("shop:app", folder)


def test_an_application_is_found_in_a_package(folder: Path) -> None:
    (folder / "market").mkdir()
    (folder / "market" / "__init__.py").touch()
    (folder / "market" / "shop.py").write_text(SHOP)
    assert find_application("market.shop:app", folder).name == "shop"
    assert mistake("market.shp:app", folder).action == "Did you mean: market.shop:app"


@pytest.mark.parametrize(
    ("target", "description", "action"),
    [
        ("shp:app", "There is no module 'shp'", "Did you mean: shop:app"),
        ("shop:ap", "Module 'shop' has no 'ap'.", "Did you mean: shop:app"),
        ("shop:price", "shop:price is a int, not an Application.", "Did you mean: shop:app"),
        ("shop.py:app", "'shop.py' is a file", "Did you mean: shop:app"),
        ("./shop.py", "'./shop.py' is a file", "Did you mean: shop:app"),
        ("nothing.like.it:app", "There is no module 'nothing.like.it'", "Name the application as MODULE:app"),
        ("no-name:app", "'no-name' is no name of a module.", "Name the application as MODULE:app"),
    ],
)
def test_a_mistake_in_the_name_is_explained(folder: Path, target: str, description: str, action: str) -> None:
    (folder / "shop.py").write_text(SHOP)
    assert mistake(target, folder).description.startswith(description)
    assert mistake(target, folder).action.startswith(action)


def test_a_module_without_an_application_is_told_how_to_make_one(folder: Path) -> None:
    (folder / "empty.py").write_text("x = 1\n")
    assert mistake("empty:app", folder).action.startswith('Write app = Application(name="…"')


@pytest.mark.parametrize(
    ("code", "description", "action"),
    [
        ("x = 1\n1 / 0\n", "ZeroDivisionError: division by zero\nIt was raised at broken.py:2.", "Mend the cause"),
        ("def f(:\n", "broken.py:1:7: invalid syntax", "Correct the Python code"),
        ("import yamll\n", "it needs 'yamll', which is not installed.\nIt is imported at broken.py:1.", "Install"),
        ("import shp\n", "it needs 'shp'", "Install what it needs (pip install shp)"),
        ("raise SystemExit(3)\n", "ends the process while it is imported (broken.py:1)", "Put what runs"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_says_where(folder: Path, code: str, description: str, action: str) -> None:
    """Its own line, not one of the library that it called."""
    (folder / "shop.py").write_text(SHOP)
    (folder / "broken.py").write_text(code)
    assert description in mistake("broken:app", folder).description
    assert mistake("broken:app", folder).action.startswith(action)


def test_an_import_that_is_misspelt_gets_a_suggestion(folder: Path) -> None:
    (folder / "shop.py").write_text("import jsson\n")
    assert mistake("shop:app", folder).action.endswith("Did you mean: json")


def test_a_mistake_leaves_with_1_and_without_a_traceback(af: Af, folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    done = af("run", "broken:app")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
