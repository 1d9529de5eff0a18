"""Who may do what on a node: users and tokens, roles and doors, and the secret that the nodes of a cluster share.

secret = ClusterSecret(os.environ["CLUSTER_SECRET"])
password = secret.derive("nats/routes").hex()
"""

from __future__ import annotations

from app_framework.security.audit import Audit
from app_framework.security.authenticator import Authenticator
from app_framework.security.credentials import Credentials, Token, User
from app_framework.security.doors import ANYONE, Door, Doors, actuator_doors
from app_framework.security.errors import (
    ForbiddenError,
    InvalidHashError,
    InvalidPasswordError,
    SecretTooShortError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from app_framework.security.gate import Gate
from app_framework.security.password import PasswordHash
from app_framework.security.principal import Principal, Role
from app_framework.security.secret import ClusterSecret

__all__ = [
    "ANYONE",
    "Audit",
    "Authenticator",
    "ClusterSecret",
    "Credentials",
    "Door",
    "Doors",
    "ForbiddenError",
    "Gate",
    "InvalidHashError",
    "InvalidPasswordError",
    "PasswordHash",
    "Principal",
    "Role",
    "SecretTooShortError",
    "Token",
    "TooManyAttemptsError",
    "UnauthenticatedError",
    "User",
    "actuator_doors",
]
