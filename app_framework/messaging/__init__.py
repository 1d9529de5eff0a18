"""How nodes talk: publish and subscribe, requests with a deadline, streamed answers; in memory or over NATS.

async def greet(call: Call) -> bytes:
    return b"hello " + call.data

await messenger.serve("greet", greet)
reply = await messenger.request("greet", b"ada", timeout_s=1)
"""

from __future__ import annotations

from app_framework.messaging.bus import Bus, BusEvent, Message, Subscription
from app_framework.messaging.connection import NatsConnection
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
from app_framework.messaging.nats_source import NatsSource
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
