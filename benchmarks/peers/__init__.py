"""Engines that answer the same questions over the same files, each as its own users would write it.

Each module is a class with `opened(files)` that loads what is needed, and `run(question)`; it is imported when it is
measured, because none of the libraries is needed for anything else (`benchmarks/requirements.lock`).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from benchmarks.questions import Checksum, SuiteQuestion

PEERS = {
    "Polars": "benchmarks.peers.polars_frames:PolarsFrames",
    "DataFusion": "benchmarks.peers.datafusion_tables:DataFusionTables",
    "chdb": "benchmarks.peers.chdb_tables:ChdbTables",
}


class Peer(Protocol):
    """An engine with the facts in it."""

    def run(self, question: SuiteQuestion) -> object:
        """Answer a question; the answer is whole when this returns."""

    def checksum(self, question: SuiteQuestion) -> Checksum:
        """Answer it and return what tells whether the answer is right."""

    def close(self) -> None:
        """Let go of everything."""


def open_peer(name: str, files: Path) -> Peer:
    """Return a peer with the tables of a folder loaded.

    Raises:
        ImportError: its library is not installed.
    """
    module, _, attribute = PEERS[name].partition(":")
    return cast("Peer", getattr(import_module(module), attribute)(files))
