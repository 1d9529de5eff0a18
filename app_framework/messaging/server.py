"""A nats-server as a child of this process: started, watched and ended with it.

server = NatsServer(NatsServerSettings("node-a", folder, NatsCredentials.generate()), find_binary())
await server.start()
await server.stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.errors import NatsServerError
from app_framework.messaging.server_binary import check_version, server_version
from app_framework.messaging.server_config import NatsServerSettings, configuration
from app_framework.messaging.server_folder import FolderInUseError, ServerFolder

PORTS = range(20_000, 32_000)
"""Below the ephemeral ports, or an outgoing connection may own a remembered one when its server starts again."""

_PORT_STRIDE = 7919
"""A prime: every port comes once, and neighbours, which other nodes may be about to take, come late."""
_POLL_S = 0.005

_GUARD = """
import ctypes, os, sys
parent, signal, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(1, int(signal), 0, 0, 0)
if os.getppid() != int(parent):
    os._exit(1)
try:
    os.execv(command[0], command)
except OSError as error:
    sys.exit(f"{command[0]}: {error}")
"""
"""Becomes the server after asking Linux for a signal at the parent's death (1 is PR_SET_PDEATHSIG), which `execv`
keeps; the parent may have died before. It is a program of its own, because Python code between fork and exec is not
safe in a process with threads; it takes 7 ms."""


class NatsServer:
    """One nats-server process and its folder.

    The child ends with this process, also when that is killed with -9. Linux ties it to the *thread* that started
    it: call `start` on a thread that lives as long as the server is needed, never on one of a pool. On other systems
    a killed process leaves its server behind; the next start says so and names it.

    The lock of the folder is the child's and is free when the child is gone, so two servers never share a store.

    Args:
        settings: who the server is and where it listens.
        binary: the program, from `find_binary`.
    """

    def __init__(self, settings: NatsServerSettings, binary: Path) -> None:
        self.settings = settings
        self.binary = binary
        self._folder = ServerFolder(settings.directory)
        self._client_port = settings.client_port
        self._process: subprocess.Popen[bytes] | None = None
        self._version = ""

    def __repr__(self) -> str:
        state = f"pid={self.pid} {self.client_url}" if self.running else "stopped"
        return f"<NatsServer {self.settings.name!r} {state}>"

    async def start(self, timeout_s: float = 20.0) -> None:
        """Start it, and return when clients can connect; with JetStream its groups may still be electing.

        Raises:
            NatsServerTooOldError: its version cannot be trusted with decisions.
            NatsServerError: it ended again, is not ready in time, or its folder is in use.
        """
        if self.running:
            raise RuntimeError(f"{self!r} runs already")
        name = self.settings.name
        self._version = await asyncio.to_thread(server_version, self.binary)
        check_version(self._version, name=name)
        try:
            async with self._folder.locked() as lock:
                # Taken once: on another port than the first time, clients would not find it again.
                self._client_port = self._client_port or free_port(host=self.settings.host)
                self._folder.prepare(configuration(replace(self.settings, client_port=self._client_port)))
                self._process = self._spawned(lock)
        except FolderInUseError as error:
            raise NatsServerError(name, str(error)) from error
        except OSError as error:  # no room, no permission, no folder
            place = error.filename or self.settings.directory
            raise NatsServerError(name, f"{place} cannot be used: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready(self._process)
        except TimeoutError:
            self.kill()
            said = self._folder.complaint()
            raise NatsServerError(name, f"not ready within {timeout_s:g} s" + (f": {said}" if said else "")) from None
        except BaseException:
            self.kill()
            raise

    async def stop(self, timeout_s: float = 10.0) -> None:
        """End it: with JetStream it hands over what it leads. One that does not end in time is killed."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await _ended(self._process)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would; when it has ended, nothing happens."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def exited(self) -> int:
        """Wait until it ends, for whatever reason, and return its exit code; a negative one is a signal."""
        process = self._process
        if process is None:
            raise RuntimeError(f"{self!r} was never started")
        await _ended(process)
        return process.wait()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process that runs, or ran last."""
        return self._process.pid if self._process is not None else None

    @property
    def version(self) -> str:
        """Of the program; empty before the first start."""
        return self._version

    @property
    def client_port(self) -> int:
        """Where clients connect; 0 before the first start when the settings leave it open."""
        return self._client_port

    @property
    def client_url(self) -> str:
        """Where clients on this machine connect."""
        return self.settings.client_url(self._client_port)

    @property
    def route(self) -> str:
        """Where the other servers of its cluster reach it: ``host:port``; empty when it has none."""
        return self.settings.route if self.settings.cluster_name is not None else ""

    @property
    def reason(self) -> str:
        """Why it does not run, in its own last words where it has some; empty while it runs without an error."""
        if said := self._folder.complaint():
            return said
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return ""
        return f"it ended with exit code {code}" if code >= 0 else f"it was ended by signal {-code}"

    def connection(self) -> NatsConnection:
        """Return how to connect as the user who sends and receives messages."""
        user = self.settings.credentials.app
        return NatsConnection((self.client_url,), user.name, user.password)

    def system_connection(self) -> NatsConnection:
        """Return how to connect as the user who administers servers."""
        user = self.settings.credentials.system
        return NatsConnection((self.client_url,), user.name, user.password)

    def _spawned(self, lock: Sequence[int]) -> subprocess.Popen[bytes]:
        command = [str(self.binary), "-c", str(self._folder.configuration)]
        if sys.platform == "linux" and sys.executable:
            command = [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), str(int(signal.SIGTERM)), *command]
        with self._folder.errors.open("wb") as errors:
            return subprocess.Popen(  # noqa: S603 the operator's own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # Ctrl-C reaches every process of a terminal; ours says good-bye through its server first.
                start_new_session=True,
                pass_fds=lock,
            )

    async def _ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it tells its ports: it accepts clients then."""
        while not self._folder.announces_ports(process.pid):
            if process.poll() is not None:
                raise NatsServerError(self.settings.name, self.reason)
            await asyncio.sleep(_POLL_S)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process, on whatever thread's loop this is."""
    if process.poll() is not None:
        return
    try:
        watched = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or somebody has just waited for it
        while process.poll() is None:  # noqa: ASYNC110 no event tells
            await asyncio.sleep(_POLL_S)
        return
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(watched, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def free_port(taken: Collection[int] = (), host: str = "127.0.0.1") -> int:
    """Return a port on which nobody listens, for the caller to remember.

    Args:
        taken: ports that are meant for something else.
        host: where it is to be free.

    Raises:
        NatsServerError: none was found.
    """
    start = secrets.randbelow(len(PORTS))
    for step in range(len(PORTS)):
        port = PORTS[(start + step * _PORT_STRIDE) % len(PORTS)]
        if port not in taken and _is_free(host, port):
            return port
    raise NatsServerError("nats-server", f"no free port was found on {host} between {PORTS.start} and {PORTS[-1]}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server binds it
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
    return True
