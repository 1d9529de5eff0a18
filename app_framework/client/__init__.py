"""The Python client of a node or a cluster; it imports no server.

>>> from app_framework.client import connect
>>> client = connect("http://localhost:8080", auth=("admin", "…"))       # doctest: +SKIP
>>> client.get_federated_nodes()                                          # doctest: +SKIP
>>> client.cubes["tpch"].query(["lines"], levels=["l_returnflag"])        # doctest: +SKIP
"""

from __future__ import annotations

from app_framework.client.answer import Answer, CellRows, Column, Rows
from app_framework.client.client import Client, connect
from app_framework.client.cubes import Cube, Cubes
from app_framework.client.distribution import CubeDistribution, MaskReport
from app_framework.client.errors import (
    AddressError,
    AnswerLostError,
    MissingLibraryError,
    ProblemError,
    UnavailableProblemError,
    UnreachableError,
)
from app_framework.client.following import Following

__all__ = [
    "AddressError",
    "Answer",
    "AnswerLostError",
    "CellRows",
    "Client",
    "Column",
    "Cube",
    "CubeDistribution",
    "Cubes",
    "Following",
    "MaskReport",
    "MissingLibraryError",
    "ProblemError",
    "Rows",
    "UnavailableProblemError",
    "UnreachableError",
    "connect",
]
