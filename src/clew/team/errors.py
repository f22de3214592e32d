"""What may go wrong between here and a team's server, as classes that a caller can tell apart.

Each is a `ClewError`, so every door translates it as it does any other. Light install.
"""

from __future__ import annotations

from typing import ClassVar, Final

from clew.base.errors import ClewError, ErrorCode


class TeamError(ClewError):
    """Something between here and the team's server. `status` is that of its answer, if it gave one.

    Messages never hold a token, a password, or what an entity says.
    """

    CODE: ClassVar[ErrorCode] = ErrorCode.UNAVAILABLE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after_ms: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(self.CODE, message, hint=hint, retry_after_ms=retry_after_ms)
        self.status = status


class NetworkError(TeamError):
    """The server was not reached, or its answer did not arrive whole.

    `may_have_happened` is false only where nothing of the request can have reached the server.
    """

    CODE = ErrorCode.UNAVAILABLE

    def __init__(
        self, message: str, *, hint: str | None = None, may_have_happened: bool = True
    ) -> None:
        super().__init__(message, hint=hint)
        self.may_have_happened = may_have_happened


class ServerError(TeamError):
    """The server answered 5xx, or something that is no answer. It may have done what was asked."""

    CODE = ErrorCode.UNAVAILABLE


class AuthError(TeamError):
    """Who we are is not known: wrong credentials, a session that ended."""

    CODE = ErrorCode.UNAUTHENTICATED


CODE_HINT: Final = "give the code of your authenticator: --totp"
"""By this hint a client knows that it may ask for a code, and try again."""


class MfaRequiredError(AuthError):
    """The password was right, and a one-time code is asked for. `token` is good for two minutes."""

    def __init__(self, message: str, *, token: str) -> None:
        super().__init__(message, hint=CODE_HINT)
        self.token: Final = token


class DeniedError(TeamError):
    """The server knows us and refuses."""

    CODE = ErrorCode.FORBIDDEN


class ValidationError(TeamError):
    """An entity is not what its kind must be, here or by the server's constraints."""

    CODE = ErrorCode.INVALID_ARGUMENT


class NotFoundError(TeamError):
    """There is no such record, or none that we may see."""

    CODE = ErrorCode.NOT_FOUND


class ConflictError(TeamError):
    """The record has changed since the version that an operation was made from."""

    CODE = ErrorCode.CONFLICT


class RateLimitError(TeamError):
    """Too many requests. `retry_after_ms` is what the server said, if it did."""

    CODE = ErrorCode.OVERLOADED


class SyncError(TeamError):
    """Server and client do not understand each other: an API that is missing, a wrong document."""

    CODE = ErrorCode.UNSUPPORTED
