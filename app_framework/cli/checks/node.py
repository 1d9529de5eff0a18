"""The node that would run here: its configuration, its port, and the folder of its data."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app_framework.cli.checks.finding import Finding, fail, ok, warn
from app_framework.cli.failures import CommandError

if TYPE_CHECKING:
    from app_framework.boot import ApplicationContext, Environment
    from app_framework.cli.selection import Selection

GIB = 1024**3
DISK_FREE_WARN_BYTES = GIB
DISK_FREE_FAIL_BYTES = GIB // 10


def node_findings(selection: Selection) -> Iterator[Finding]:
    """Check what `af run` with the same arguments would do."""
    try:
        context = selection.prepared()
    except CommandError as error:
        yield fail("configuration", error.description, error.action)
        return
    yield configuration_finding(context.environment)
    if "web" in context.conditions and context.conditions["web"].matched:
        yield from port_findings(context)
    folder = data_folder(context)
    yield writable_finding(folder)
    yield disk_finding(folder, shutil.disk_usage(_existing(folder)).free)


def configuration_finding(environment: Environment) -> Finding:
    """Is the configuration valid, and is nothing in it suspicious?"""
    files = [source.name for source in environment.sources if source.root.origin.path]
    if environment.warnings:
        listed = "\n".join(str(problem) for problem in environment.warnings)
        actions = "\n".join(dict.fromkeys(problem.action for problem in environment.warnings if problem.action))
        return warn("configuration", listed, actions)
    return ok("configuration", f"valid: {', '.join(files)}" if files else "no application.yml here, defaults only")


def port_findings(context: ApplicationContext) -> Iterator[Finding]:
    """Is the port of the web server free?"""
    from app_framework.web.port_owner import owner_of_port
    from app_framework.web.properties import ServerProperties

    server = context.environment.bind(ServerProperties)
    if not server.enabled or server.port == 0:
        return
    problem = _bind_problem(server.address, server.port)
    if problem is None:
        yield ok("server.port", f"{server.port} is free")
        return
    pid, command = owner_of_port(server.port)
    owner = f": process {pid} ({command}) listens there" if pid else ""
    stop = f"Stop process {pid}" if pid else "Stop what uses it"
    yield fail("server.port", f"{server.port}: {problem}{owner}", f"{stop}, or take any free one: --server.port=0")


def data_folder(context: ApplicationContext) -> Path:
    """Return the folder of everything that the node keeps."""
    from app_framework.boot.config.app_properties import AppProperties

    configured = context.environment.bind(AppProperties).data_dir
    return configured or context.environment.directory / ".app" / context.application_name


def writable_finding(folder: Path) -> Finding:
    """May this user write there?"""
    existing = _existing(folder)
    if not existing.is_dir():
        return fail("app.data-dir", f"{existing} is a file, not a folder", "Choose a folder: --app.data-dir=…")
    if not os.access(existing, os.W_OK | os.X_OK):
        return fail("app.data-dir", f"{existing} is not writable", "Choose another: --app.data-dir=…")
    return ok("app.data-dir", str(folder) if existing == folder else f"{folder} can be made")


def disk_finding(folder: Path, free_bytes: int) -> Finding:
    """Is there room for data?"""
    text = f"{free_bytes / GIB:.1f} GiB free for {folder}"
    remedy = "Free some space, or choose another disk: --app.data-dir=…"
    if free_bytes < DISK_FREE_FAIL_BYTES:
        return fail("disk", text, remedy)
    return warn("disk", text, remedy) if free_bytes < DISK_FREE_WARN_BYTES else ok("disk", text)


def _bind_problem(address: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())
