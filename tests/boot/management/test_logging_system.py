"""Logging: one format, several applications, levels at run time, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_framework.boot.management.log_context import (
    LogOwner,
    log_owner,
    request_log_context,
    reset_request_log_context,
)
from app_framework.boot.management.logs import LogFileError, LoggingSystem
from app_framework.boot.management.redaction import Redactor
from app_framework.testing import ContextRunner

log = logging.getLogger("orders.book")
OWNER = LogOwner("shop", "node-a", "1.2")


@pytest.fixture(autouse=True)
def untouched_process() -> Iterator[None]:
    """Every test gives the process its logging back."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, log.level, log.propagate)
    yield
    assert (list(root.handlers), root.level, log.level, log.propagate) == before


@pytest.fixture
def shop(capsys: pytest.CaptureFixture[str]) -> Iterator[LoggingSystem]:
    """A running system with text on standard error."""
    system = LoggingSystem(OWNER)
    system.start()
    yield system
    system.stop()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_line_says_when_how_bad_whose_where_and_what(shop: LoggingSystem, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error; standard output belongs to data."""
    log.warning("%d orders left", 3)
    (line,) = lines(capsys)
    time, level, owner, logger, colon, *message = line.split()
    assert (level, owner, logger, colon, message) == (
        "WARN",
        "[shop/node-a]",
        "orders.book",
        ":",
        ["3", "orders", "left"],
    )
    assert time.endswith("Z")


def test_a_request_is_named_in_the_records_of_its_task(shop: LoggingSystem, capsys: pytest.CaptureFixture[str]) -> None:
    """And in no other."""

    async def handle(number: int) -> None:
        token = request_log_context(request_id=f"r{number}")
        await asyncio.sleep(0)
        log.info("handled")
        reset_request_log_context(token)

    async def story() -> None:
        await asyncio.gather(handle(1), handle(2))
        log.info("done")

    asyncio.run(story())
    assert [line.partition(" : ")[2] for line in lines(capsys)] == [
        "handled [request_id=r1]",
        "handled [request_id=r2]",
        "done",
    ]


def test_a_client_cannot_forge_a_record_or_steer_a_terminal(
    shop: LoggingSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line breaks are indented, its escapes are shown."""
    log.info("name is %s", "eve\n2030-01-01T00:00:00.000Z  INFO [shop] root : all is well\x1b[2J\r")
    first, second = lines(capsys)
    assert second.startswith("    2030")
    assert second.endswith(r"all is well\x1b[2J\r")
    assert first.endswith("name is eve")


def test_ecs_writes_one_line_of_json_with_the_exception_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """The shape of Spring Boot's ``ecs`` format."""
    system = LoggingSystem(OWNER, console="ecs")
    system.start()
    try:
        raise ValueError("bad\norder")
    except ValueError:
        log.exception("cannot read", extra={"order": 7, "ratio": float("nan")})
    finally:
        system.stop()
    (line,) = lines(capsys)
    record = json.loads(line)
    assert record["log"] == {"level": "ERROR", "logger": "orders.book"}
    assert record["service"] == {"name": "shop", "version": "1.2", "node": {"name": "node-a"}}
    assert record["error"]["type"] == "builtins.ValueError"
    assert record["error"]["stack_trace"].endswith("ValueError: bad\norder")
    assert (record["message"], record["order"], record["ratio"]) == ("cannot read", 7, None)


def test_logstash_writes_flat_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The shape of the Logstash encoder, with what the caller added."""
    system = LoggingSystem(OWNER, console="logstash")
    system.start()
    token = request_log_context(request_id="r1", trace_id="t1")
    log.warning("slow", extra={"order": 7})
    reset_request_log_context(token)
    system.stop()
    record = json.loads(lines(capsys)[0])
    expected = {"level": "WARN", "level_value": 30000, "order": 7, "request_id": "r1", "trace_id": "t1"}
    assert expected.items() <= record.items()


@pytest.mark.parametrize("console", [None, "ecs", "logstash"])
def test_a_secret_is_masked_in_messages_exceptions_and_extras(
    console: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """FA9, whoever logs it and however."""
    system = LoggingSystem(OWNER, console=console, redactor=Redactor(['can"ary-secret']))  # type: ignore[arg-type]
    system.start()
    try:
        raise ValueError('with can"ary-secret inside')
    except ValueError:
        log.exception('told can"ary-secret', extra={"token": 'can"ary-secret'})
    finally:
        system.stop()
    text = capsys.readouterr().err
    assert "******" in text
    assert "ary-secret" not in text


def test_levels_hold_for_loggers_groups_and_their_children(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said of a logger itself wins over its group, a nearer parent over a farther one."""
    system = LoggingSystem(
        OWNER,
        levels={"root": 40, "trade": 10, "orders.book": 30},
        groups={"trade": ["orders", "stock"]},
    )
    system.start()
    logging.getLogger("orders.desk").debug("seen")
    log.info("hidden")
    logging.getLogger("other").warning("hidden")
    system.stop()
    assert [line.rpartition(" ")[2] for line in lines(capsys)] == ["seen"]


def test_a_level_changes_while_it_runs_and_falls_back(shop: LoggingSystem, capsys: pytest.CaptureFixture[str]) -> None:
    """Null follows the parent again, as in Spring."""
    shop.set_level("orders", "DEBUG")
    log.debug("one")
    assert shop.describe_logger("orders") == {"configuredLevel": "DEBUG", "effectiveLevel": "DEBUG"}
    assert shop.describe_logger("orders.book") == {"effectiveLevel": "DEBUG"}
    shop.set_level("orders", None)
    log.debug("two")
    assert shop.describe_logger("orders") == {"effectiveLevel": "INFO"}
    assert len(lines(capsys)) == 1


def test_the_description_has_the_shape_of_springs_loggers(shop: LoggingSystem) -> None:
    """Levels, loggers with ROOT first in rank, groups with members."""
    shop.set_level("web", "WARN")
    described = shop.describe()
    assert described["levels"] == ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    loggers, groups = described["loggers"], described["groups"]
    assert isinstance(loggers, dict)
    assert isinstance(groups, dict)
    assert loggers["ROOT"] == {"configuredLevel": "INFO", "effectiveLevel": "INFO"}
    assert loggers["uvicorn"] == {"configuredLevel": "WARN", "effectiveLevel": "WARN"}
    assert groups["web"]["configuredLevel"] == "WARN"
    assert "uvicorn" in groups["web"]["members"]
    shop.set_level("web", None)


def test_asking_for_a_logger_does_not_create_it(shop: LoggingSystem) -> None:
    """Its name may come from a client; loggers are never freed."""
    assert shop.describe_logger("never.heard.of") == {"effectiveLevel": "INFO"}
    assert "never.heard.of" not in logging.Logger.manager.loggerDict


def test_two_applications_in_one_process_get_their_own_records(capsys: pytest.CaptureFixture[str]) -> None:
    """FA7: levels, secrets and formats do not cross; a record of nobody goes to the first."""
    bank = LogOwner("bank")
    first = LoggingSystem(OWNER, redactor=Redactor(["shop-secret"]))
    second = LoggingSystem(bank, levels={"orders": 10}, redactor=Redactor(["bank-secret"]))
    first.start()
    second.start()

    async def speak(owner: LogOwner) -> None:
        with log_owner(owner):
            log.debug("debug shop-secret bank-secret")
            log.info("info shop-secret bank-secret")

    async def story() -> None:
        await asyncio.gather(speak(OWNER), speak(bank))

    asyncio.run(story())
    with log_owner(None):
        log.info("nobody's")
    second.stop()
    first.stop()
    assert [line.partition("[")[2] for line in lines(capsys)] == [
        "shop/node-a] orders.book : info ****** bank-secret",
        "bank] orders.book : debug shop-secret ******",
        "bank] orders.book : info shop-secret ******",
        "shop/node-a] orders.book : nobody's",
    ]


@pytest.mark.parametrize(
    "runner",
    [
        ContextRunner().yaml("logging: {level: {orders.book: debug}}"),
        ContextRunner().yaml("logging: {level: {orders: {book: debug}}}"),
        ContextRunner().yaml("logging: {level: {ledger: debug}, group: {ledger: [orders.book]}}"),
        ContextRunner().arguments("--logging.level.orders.book=debug"),
    ],
)
def test_levels_are_configured_in_every_usual_spelling(
    runner: ContextRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole application sets up its logging before anything of it is created."""

    async def story() -> None:
        async with runner.with_logging().start():
            log.debug("seen")
            logging.getLogger("orders.desk").debug("hidden")

    asyncio.run(story())
    orders = [line.partition("[")[2] for line in lines(capsys) if "orders." in line]
    assert orders == ["test] orders.book : seen"]


def test_a_log_file_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    """Wherever the command is run."""
    (tmp_path / "application.yml").write_text("logging: {file: {name: logs/app.log}}")

    async def story() -> None:
        async with ContextRunner().directory(tmp_path).with_logging().start():
            log.info("written")

    asyncio.run(story())
    assert "written" in (tmp_path / "logs" / "app.log").read_text()


def test_foreign_console_handlers_step_aside_and_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Else uvicorn under an external server would print each line twice, in two formats."""
    uvicorn = logging.getLogger("uvicorn")
    theirs = logging.StreamHandler(sys.stderr)
    uvicorn.addHandler(theirs)
    uvicorn.propagate = False
    try:
        system = LoggingSystem(OWNER)
        system.start()
        logging.getLogger("uvicorn.error").info("started")
        system.stop()
        assert len(lines(capsys)) == 1
        assert uvicorn.handlers == [theirs]
        assert not uvicorn.propagate
    finally:
        uvicorn.removeHandler(theirs)
        uvicorn.propagate = True


def test_starting_and_stopping_twice_is_once(shop: LoggingSystem, capsys: pytest.CaptureFixture[str]) -> None:
    """A line appears once, whoever starts it again."""
    shop.start()
    log.info("once")
    assert len(lines(capsys)) == 1
    shop.stop()
    shop.stop()


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """It is rotated at its size, and old ones go."""
    file = tmp_path / "logs" / "app.log"
    system = LoggingSystem(OWNER, file=file, file_size_max=2000, file_history_max=2, file_format="ecs")
    system.start()
    for number in range(100):
        log.info("order %d", number)
    system.stop()
    found = sorted(path.name for path in file.parent.iterdir())
    assert found == ["app.log", "app.log.1", "app.log.2"]
    assert all(path.stat().st_size <= 2000 for path in file.parent.iterdir())
    assert json.loads(file.read_text().splitlines()[-1])["message"] == "order 99"


def test_a_file_that_cannot_be_opened_names_its_property(tmp_path: Path) -> None:
    """And leaves nothing half configured."""
    system = LoggingSystem(OWNER, file=tmp_path)
    with pytest.raises(LogFileError, match=r"Is a directory \(logging\.file\.name\)"):
        system.start()
    system.stop()


def test_an_unknown_level_is_refused(shop: LoggingSystem) -> None:
    """With the levels that exist."""
    with pytest.raises(ValueError, match=r"is not a log level \(off, fatal, error"):
        shop.set_level("orders", "LOUD")
