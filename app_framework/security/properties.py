"""What a user may set about security: the section ``security``."""

from __future__ import annotations

import logging
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from app_framework.boot import ConfigProperties, Field, SecretStr
from app_framework.security.credentials import CACHE_MAX, CHECKS_MAX, Token, User
from app_framework.security.doors import ANYONE, PATH_FORM, Door, Needs, is_path
from app_framework.security.errors import InvalidHashError, InvalidPasswordError
from app_framework.security.password import QUICK, PasswordHash, check_password, is_hash
from app_framework.security.principal import Role

_logger = logging.getLogger(__name__)

TOKEN_CHARS_MIN = 16
TOKEN_CHARS_MAX = 1024
PASSWORD_CHARS_ADVISED = 8

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=:-]+\Z")
_NAME = re.compile(r"[^:\x00-\x1f\x7f]+\Z")

RoleName = Literal["reader", "writer", "admin"]


def _list(value: object) -> object:
    """Take ``reader`` and ``reader, writer`` for lists, as they are often written."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _known_password(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        if is_hash(text):
            PasswordHash.parse(text)
        else:
            check_password(text)
    except InvalidHashError as error:
        raise ValueError(f"must be a whole hash: {error.reason}; make a new one with: af security hash") from None
    except InvalidPasswordError as error:
        raise ValueError(f"must be a password: {error.reason}") from None
    return secret


def _good_token(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if is_hash(text):
        raise ValueError("must be the token itself, a hash is for passwords")
    if not TOKEN_CHARS_MIN <= len(text) <= TOKEN_CHARS_MAX or not _TOKEN.match(text):
        raise ValueError(
            f"must have {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} letters, digits or any of . _ ~ + / = : -; "
            "make one with: af security secret"
        )
    return secret


def _good_path(path: str) -> str:
    if not is_path(path):
        raise ValueError(f"must be a path: {PATH_FORM}")
    return path


def _good_name(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError("must be a name without a colon and without control characters")
    return name


Roles = Annotated[
    tuple[RoleName, ...],
    BeforeValidator(_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"enum": list(Role)}, "minItems": 1}]}),
]
Name = Annotated[str, AfterValidator(_good_name)]
Methods = Annotated[
    tuple[str, ...],
    BeforeValidator(_list),
    AfterValidator(lambda methods: tuple(method.upper() for method in methods)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class UserProperties(ConfigProperties):
    """Somebody who logs in with a name and a password."""

    password: Annotated[SecretStr, AfterValidator(_known_password)] = Field(
        description="Hash from `af security hash`, or the password itself, which then comes from a variable.",
    )
    roles: Roles = Field(description="What the user may do: reader, writer or admin; each includes those before it.")


class TokenProperties(ConfigProperties):
    """A program that sends a token."""

    token: Annotated[SecretStr, AfterValidator(_good_token)] = Field(
        description="Token from `af security secret`, sent as `Authorization: Bearer …`; it comes from a variable.",
    )
    roles: Roles = Field(description="What the program may do: reader, writer or admin.")


class DoorProperties(ConfigProperties):
    """The role that some paths need."""

    path: Annotated[str, AfterValidator(_good_path)] = Field(
        description="Path; `*` stands for one step of it, `/**` at the end for any number."
    )
    methods: Methods = Field(default=(), description="Methods that it holds for; all when empty.")
    role: Literal["reader", "writer", "admin", "anyone"] = Field(
        description="Role that is needed; `anyone` needs no credentials."
    )

    def door(self) -> Door:
        """Return the door."""
        needs: Needs = ANYONE if self.role == "anyone" else Role(self.role)
        return Door(self.path, needs, frozenset(self.methods))


class SecurityProperties(ConfigProperties, prefix="security"):
    """Who may use this node; without users and tokens anybody on this machine may, and nobody else."""

    users: dict[Name, UserProperties] = Field(default={}, description="Users by name.")
    tokens: dict[Name, TokenProperties] = Field(default={}, description="Tokens by the name of the program.")
    doors: tuple[DoorProperties, ...] = Field(
        default=(), description="Roles for paths of the application's own; they win over the built-in table."
    )
    cache_size: int = Field(
        default=CACHE_MAX, ge=1, description="Verified passwords that are remembered, by a digest, until the stop."
    )
    max_checks: int = Field(
        default=CHECKS_MAX,
        ge=1,
        description="Passwords that may be checked or wait for it; a further one answers 429 OVERLOADED.",
    )

    def known_users(self) -> list[User]:
        """Return the users; plain passwords are hashed here, which takes 40 ms for each."""
        return [_user(name, user) for name, user in self.users.items()]

    def known_tokens(self) -> list[Token]:
        """Return the tokens."""
        return [Token(name, each.token.get_secret_value(), each.roles) for name, each in self.tokens.items()]


def _user(name: str, user: UserProperties) -> User:
    text = user.password.get_secret_value()
    if is_hash(text):
        return User(name, PasswordHash.parse(text), user.roles)
    if len(text) < PASSWORD_CHARS_ADVISED:
        _logger.warning(
            "the password of user %r has fewer than %d characters; it can be guessed", name, PASSWORD_CHARS_ADVISED
        )
    return User(name, PasswordHash.of(text, QUICK), user.roles)
