"""What our own tests and a user's tests are written with.

def test_the_starter_backs_off():
    with ContextRunner(auto=[GreetingAutoConfiguration]).sources(MyGreeter).run() as context:
        assert isinstance(context[Greeter], MyGreeter)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.testing.asking import RowsResult
    from app_framework.testing.client import AsyncClient, Client
    from app_framework.testing.cube_tester import CubeTester
    from app_framework.testing.distribution_errors import (
        JoinRefusedError,
        NotOnRealNodesError,
        UnknownNodeError,
        UnsettledError,
    )
    from app_framework.testing.distribution_facts import Asked, Plan
    from app_framework.testing.distribution_helper import DistributionTestHelper
    from app_framework.testing.distribution_nodes import DataNode, QueryNode, RunningQuestion
    from app_framework.testing.golden import GoldenFiles, GoldenMismatchError
    from app_framework.testing.results import CubeResult, ResultMismatchError
    from app_framework.testing.runner import ContextRunner
    from app_framework.testing.simulated_node import NodeIsDownError

_HOME_OF = {
    "Asked": "distribution_facts",
    "AsyncClient": "client",
    "Client": "client",
    "ContextRunner": "runner",
    "CubeResult": "results",
    "CubeTester": "cube_tester",
    "DataNode": "distribution_nodes",
    "DistributionTestHelper": "distribution_helper",
    "GoldenFiles": "golden",
    "GoldenMismatchError": "golden",
    "JoinRefusedError": "distribution_errors",
    "NodeIsDownError": "simulated_node",
    "NotOnRealNodesError": "distribution_errors",
    "Plan": "distribution_facts",
    "QueryNode": "distribution_nodes",
    "ResultMismatchError": "results",
    "RowsResult": "asking",
    "RunningQuestion": "distribution_nodes",
    "UnknownNodeError": "distribution_errors",
    "UnsettledError": "distribution_errors",
}

__all__ = [
    "Asked",
    "AsyncClient",
    "Client",
    "ContextRunner",
    "CubeResult",
    "CubeTester",
    "DataNode",
    "DistributionTestHelper",
    "GoldenFiles",
    "GoldenMismatchError",
    "JoinRefusedError",
    "NodeIsDownError",
    "NotOnRealNodesError",
    "Plan",
    "QueryNode",
    "ResultMismatchError",
    "RowsResult",
    "RunningQuestion",
    "UnknownNodeError",
    "UnsettledError",
]

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
