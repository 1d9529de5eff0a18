"""The role of whoever knows the users: it turns the header ``Authorization`` into a principal."""

from __future__ import annotations

from abc import ABC, abstractmethod

from app_framework.security.principal import Principal


class Authenticator(ABC):
    """Tells who sent a request. A component of this type secures the node; without one it listens on loopback only.

    `Credentials` is the one that the section ``security`` makes; an application may bring its own, for a directory
    or an identity provider.
    """

    @abstractmethod
    async def authenticate(self, authorization: bytes) -> Principal:
        """Return who it is.

        Args:
            authorization: the header as it was sent.

        Raises:
            UnauthenticatedError: the credentials are wrong, or of a kind that is not taken.
        """
