"""How security is wired: the users and tokens of the configuration, and the table of doors; each can be replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from app_framework.boot import (
    ConditionContext,
    Environment,
    FailureAnalysis,
    Outcome,
    auto_configuration,
    bean,
    failure_analyzer,
    on_condition,
    on_missing_component,
)
from app_framework.security.authenticator import Authenticator
from app_framework.security.credentials import Credentials
from app_framework.security.doors import Doors
from app_framework.security.errors import SecretTooShortError
from app_framework.security.properties import SecurityProperties


def somebody_logs_in(context: ConditionContext) -> Outcome:
    """Match when there are users or tokens; their number is told, not what they are."""
    for key in ("security.users", "security.tokens"):
        if found := context.environment.get(key):
            count = len(found) if isinstance(found, Mapping) else 1
            return Outcome(True, f"found {count} of {key}", context.environment.origin(key))
    return Outcome(False, "found neither users nor tokens", remedy="set security.users or security.tokens")


@auto_configuration(properties=[SecurityProperties])
class SecurityAutoConfiguration:
    """Makes users log in, as soon as there are any."""

    @bean(on_condition(somebody_logs_in, late=False), on_missing_component(Authenticator))
    async def credentials(self, properties: SecurityProperties) -> AsyncIterator[Credentials]:
        """The users and tokens of the configuration; hashing plain passwords does not hold up the event loop."""
        users = await asyncio.to_thread(properties.known_users)
        known = Credentials(
            users, properties.known_tokens(), cache_max=properties.cache_size, checks_max=properties.max_checks
        )
        try:
            yield known
        finally:
            await asyncio.to_thread(known.close)

    @bean(on_missing_component(Doors))
    def doors(self, properties: SecurityProperties) -> Doors:
        """Which role each path needs; the application's own first."""
        return Doors(door.door() for door in properties.doors)

    @failure_analyzer
    def explain_short_secret(self, error: SecretTooShortError, environment: Environment) -> FailureAnalysis:
        """Say where the secret was set, and how to make a better one."""
        origin = environment.origin(error.what)
        place = f"{origin}: " if origin else ""
        return FailureAnalysis(
            f"{place}{error.what} has {error.length} bytes, at least {error.minimum} are needed, or it can be guessed.",
            "Make one with: af security secret. Give the same to every node, through an environment variable.",
        )
