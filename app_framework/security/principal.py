"""Who asks: a name and what it may do.

>>> ana = Principal.of("ana", ["writer"])
>>> ana.may(Role.READER), ana.may(Role.ADMIN)
(True, False)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user may do, from the least to the most; each role includes those before it."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"

    @property
    def included(self) -> frozenset[Role]:
        """This role and all below it."""
        roles = list(Role)
        return frozenset(roles[: roles.index(self) + 1])


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has shown valid credentials.

    Args:
        name: the user's or the token's name, for logs.
        roles: everything that it may act as: an admin has all roles.
    """

    name: str
    roles: frozenset[str]

    @classmethod
    def of(cls, name: str, roles: Iterable[str]) -> Principal:
        """Return a principal with some roles and all that they include.

        Raises:
            ValueError: there is no such role.
        """
        return cls(name, frozenset(each.value for role in roles for each in Role(role).included))

    def may(self, role: Role) -> bool:
        """Tell whether it has a role, its own or an included one."""
        return role.value in self.roles
