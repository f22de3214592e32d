"""Which API is behind an address: TrailBase's own, or the one that the integration documents.

Asked without any token, so that nothing is shown to a server that is neither. Light install.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.team.errors import (
    AuthError,
    DeniedError,
    NotFoundError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.trailbase.documented import DocumentedServer
from clew.team.trailbase.login import (
    DOCUMENTED_AUTHS,
    RECORDS_AUTH,
    DocumentedAuth,
    RecordsAuth,
)
from clew.team.trailbase.server import RecordsServer

if TYPE_CHECKING:
    from clew.team.trailbase.login import Auth
    from clew.team.trailbase.session import Session
    from clew.team.trailbase.transport import Transport

HEALTH: Final = "/api/healthcheck"


class Api(StrEnum):
    """What a server speaks. The values are kept with an account; none is ever changed."""

    TRAILBASE = "trailbase"
    DOCUMENTED = "documented"
    DOCUMENTED_UNDER_API = "documented_under_api"
    """The same with ``/api/auth`` for ``/auth``."""


async def find_api(transport: Transport) -> Api:
    """Return what the server at an address speaks.

    Raises:
        SyncError: it speaks neither of the two.
        TeamError: it is not reached, or cannot say just now.
    """
    if await _is_trailbase(transport):
        return Api.TRAILBASE
    for prefix, api in zip(
        DOCUMENTED_AUTHS, (Api.DOCUMENTED, Api.DOCUMENTED_UNDER_API), strict=True
    ):
        if await _is_documented(transport, prefix):
            return api
    raise SyncError(
        f"there is no team's server at {transport.url}: neither TrailBase nor the documented API",
        hint="check the address; a TrailBase server is set up with: clew team bootstrap",
    )


def auth_of(api: Api) -> Auth:
    """Return how one becomes known to a server of this kind."""
    match api:
        case Api.TRAILBASE:
            return RecordsAuth()
        case Api.DOCUMENTED:
            return DocumentedAuth(DOCUMENTED_AUTHS[0])
        case Api.DOCUMENTED_UNDER_API:
            return DocumentedAuth(DOCUMENTED_AUTHS[1])


def server_of(api: Api, transport: Transport, session: Session) -> RecordsServer | DocumentedServer:
    """Return the adapter for a server of this kind."""
    if api is Api.TRAILBASE:
        return RecordsServer(transport, session)
    return DocumentedServer(transport, session)


async def _is_trailbase(transport: Transport) -> bool:
    try:
        # A page for every address, as web applications answer, is no "Ok" and no JSON.
        health = await transport.ask("GET", HEALTH)
        if health.body.strip().lower() != b"ok":
            return False
        status = await transport.ask("GET", f"{RECORDS_AUTH}/status")
        return "auth_token" in status.object()
    except (AuthError, DeniedError, NotFoundError, SyncError, ValidationError) as error:
        _raise_if_sent_elsewhere(error)
        return False
    except ServerError as error:
        if error.status is not None:
            raise
        return False


async def _is_documented(transport: Transport, prefix: str) -> bool:
    try:
        # An empty refresh token is nobody's: a server that has the call refuses it.
        await transport.ask("POST", f"{prefix}/refresh", body={"refresh_token": ""})
    except (AuthError, DeniedError, ValidationError):
        return True
    except (NotFoundError, SyncError) as error:
        _raise_if_sent_elsewhere(error)
        return False
    except ServerError as error:
        if error.status is not None:
            raise
        return False
    return False  # Whoever takes an empty token answers everything with yes.


def _raise_if_sent_elsewhere(error: TeamError) -> None:
    if error.status is not None and 300 <= error.status < 400:
        raise error
