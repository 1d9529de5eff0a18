"""How nodes talk: publish and subscribe, requests with a deadline, streamed answers; in memory or over NATS.

async def greet(call: Call) -> bytes:
    return b"hello " + call.data

await messenger.serve("greet", greet)
reply = await messenger.request("greet", b"ada", timeout_s=1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.messaging.bus import Bus, BusEvent, Message, Subscription
    from app_framework.messaging.connection import NatsConnection, NatsSource
    from app_framework.messaging.credentials import NatsCredentials, NatsUser
    from app_framework.messaging.direct import BadTicketError, DirectStreams, TooManyTicketsError
    from app_framework.messaging.errors import (
        DeadlineExceededError,
        DisconnectedError,
        InvalidSubjectError,
        MessengerError,
        NatsServerError,
        NatsServerTooOldError,
        NoRespondersError,
        PayloadTooLargeError,
        RemoteError,
        StreamBrokenError,
    )
    from app_framework.messaging.header_exchange import HeaderExchange
    from app_framework.messaging.memory import MemoryNetwork
    from app_framework.messaging.messenger import Messenger
    from app_framework.messaging.messengers import Messengers, UnknownMessengerError
    from app_framework.messaging.nats_bus import NatsBus
    from app_framework.messaging.rpc import MessengerLimits, Reply, TooManyRequestsError, Traffic
    from app_framework.messaging.server import NatsServer, free_port
    from app_framework.messaging.server_binary import NatsBinaryMissingError, check_version, find_binary, server_version
    from app_framework.messaging.server_config import NatsServerSettings
    from app_framework.messaging.service import Call, Service

__all__ = [
    "BadTicketError",
    "Bus",
    "BusEvent",
    "Call",
    "DeadlineExceededError",
    "DirectStreams",
    "DisconnectedError",
    "HeaderExchange",
    "InvalidSubjectError",
    "MemoryNetwork",
    "Message",
    "Messenger",
    "MessengerError",
    "MessengerLimits",
    "Messengers",
    "NatsBinaryMissingError",
    "NatsBus",
    "NatsConnection",
    "NatsCredentials",
    "NatsServer",
    "NatsServerError",
    "NatsServerSettings",
    "NatsServerTooOldError",
    "NatsSource",
    "NatsUser",
    "NoRespondersError",
    "PayloadTooLargeError",
    "RemoteError",
    "Reply",
    "Service",
    "StreamBrokenError",
    "Subscription",
    "TooManyRequestsError",
    "TooManyTicketsError",
    "Traffic",
    "UnknownMessengerError",
    "check_version",
    "find_binary",
    "free_port",
    "server_version",
]

_HOME_OF: dict[str, str] = {
    "BadTicketError": "direct",
    "Bus": "bus",
    "BusEvent": "bus",
    "Call": "service",
    "DeadlineExceededError": "errors",
    "DirectStreams": "direct",
    "DisconnectedError": "errors",
    "HeaderExchange": "header_exchange",
    "InvalidSubjectError": "errors",
    "MemoryNetwork": "memory",
    "Message": "bus",
    "Messenger": "messenger",
    "MessengerError": "errors",
    "MessengerLimits": "rpc",
    "Messengers": "messengers",
    "NatsBinaryMissingError": "server_binary",
    "NatsBus": "nats_bus",
    "NatsConnection": "connection",
    "NatsCredentials": "credentials",
    "NatsServer": "server",
    "NatsServerError": "errors",
    "NatsServerSettings": "server_config",
    "NatsServerTooOldError": "errors",
    "NatsSource": "connection",
    "NatsUser": "credentials",
    "NoRespondersError": "errors",
    "PayloadTooLargeError": "errors",
    "RemoteError": "errors",
    "Reply": "rpc",
    "Service": "service",
    "StreamBrokenError": "errors",
    "Subscription": "bus",
    "TooManyRequestsError": "rpc",
    "TooManyTicketsError": "direct",
    "Traffic": "rpc",
    "UnknownMessengerError": "messengers",
    "check_version": "server_binary",
    "find_binary": "server_binary",
    "free_port": "server",
    "server_version": "server_binary",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
