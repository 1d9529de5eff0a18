"""What every request passes on a secured node: who is it, and may it come in by this door?

>>> from app_framework.security import Credentials, Token
>>> gate = Gate(Credentials(tokens=[Token("ci", "0123456789abcdef", ("reader",))]))
>>> import asyncio
>>> asyncio.run(gate.admit("GET", "/cubes", b"Bearer 0123456789abcdef")).name
'ci'
"""

from __future__ import annotations

from app_framework.security.authenticator import Authenticator
from app_framework.security.credentials import NO_CREDENTIALS
from app_framework.security.doors import ANYONE, Doors
from app_framework.security.errors import ForbiddenError, UnauthenticatedError
from app_framework.security.principal import Principal


class Gate:
    """Lets a request in, or says why not.

    Args:
        authenticator: knows who sent it.
        doors: know which role it needs.
    """

    def __init__(self, authenticator: Authenticator, doors: Doors | None = None) -> None:
        self.doors = doors or Doors()
        self._authenticator = authenticator

    async def admit(self, method: str, path: str, authorization: bytes | None) -> Principal | None:
        """Return who sent the request; None for nobody, at a door that is open to anyone.

        Credentials that are sent are checked at an open door too: they may be there to see more.

        Args:
            method: in capitals; ``WEBSOCKET`` for a WebSocket.
            path: as the router sees it.
            authorization: the header, None when there is none.

        Raises:
            UnauthenticatedError: without credentials, or with wrong ones.
            ForbiddenError: without the role.
            TooManyAttemptsError: too many passwords wait for their check.
        """
        needs = self.doors.needs(method, path)
        if authorization is None:
            if needs is ANYONE:
                return None
            raise UnauthenticatedError(NO_CREDENTIALS)
        principal = await self._authenticator.authenticate(authorization)
        if needs is not ANYONE and not principal.may(needs):
            raise ForbiddenError(principal.name, needs.value, principal.roles, f"{method} {path}")
        return principal

    def __repr__(self) -> str:
        return f"<Gate {self._authenticator!r}>"
