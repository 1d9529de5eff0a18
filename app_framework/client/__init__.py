"""The Python client of a node or a cluster; it imports no server.

>>> from app_framework.client import connect
>>> client = connect("http://localhost:8080", auth=("admin", "…"))       # doctest: +SKIP
>>> client.get_federated_nodes()                                          # doctest: +SKIP
>>> client.cubes["tpch"].query(["lines"], levels=["l_returnflag"])        # doctest: +SKIP
"""

from __future__ import annotations

from app_framework.client.answer import Answer, Column
from app_framework.client.client import Client, connect
from app_framework.client.errors import (
    AddressError,
    AnswerLostError,
    ProblemError,
    UnavailableProblemError,
    UnreachableError,
)

__all__ = [
    "AddressError",
    "Answer",
    "AnswerLostError",
    "Client",
    "Column",
    "ProblemError",
    "UnavailableProblemError",
    "UnreachableError",
    "connect",
]
