"""The routes of single grants, and of public keys of apps that count no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from clew.access import documents as doc
from clew.access import parameters as ask
from clew.access.caller import Verb
from clew.access.expiry import read_expiry
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute

if TYPE_CHECKING:
    from concurrent.futures import Future

    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

GRANT_BYTES_MAX: Final = 8 << 10
"""A subject, a few roles and two times; a public key and a line about it."""

CREATED: Final = 201


async def _add(desk: Desk, asked: Asked) -> Response:
    hint = 'send {"app_id": "…", "sub": "key:ci", "roles": ["control"], "expires_in": "2h"}'
    wanted = await read_document(
        asked.request, ask.NewGrant, GRANT_BYTES_MAX, what="a grant", hint=hint
    )
    access = desk.identity.access
    app_id = parse_uuid(wanted.app_id)
    expires_at = read_expiry(wanted.expires_in, wanted.expires_at, access.now())
    # A grant for an app that is not there would be a slip of the pen, and say nothing of it.
    await desk.tree_threads.run(lambda: desk.tree.get_app(asked.caller, app_id))
    adding = access.grants.add(
        app_id,
        wanted.sub,
        wanted.roles,
        asked.caller,
        cascade=wanted.cascade,
        expires_at=expires_at,
    )
    return await _answer_grant(adding, CREATED)


async def _remove(desk: Desk, asked: Asked) -> Response:
    return await _answer_grant(
        desk.identity.access.grants.remove(asked.path["grant_id"], asked.caller)
    )


async def _answer_grant(writing: Future[doc.AppGrant], status: int = 200) -> Response:
    grant = await asyncio.wrap_future(writing)
    return answer_document(encode(doc.AppGrantAnswer(grant=grant)), status)


async def _revoke(desk: Desk, asked: Asked) -> Response:
    hint = 'send {"pub_key": "ed25519:…", "reason": "lost"}, or app_id in place of pub_key'
    wanted = await read_document(
        asked.request,
        ask.NewRevokedKey,
        GRANT_BYTES_MAX,
        what="a public key to be revoked",
        hint=hint,
    )
    pub_key = await _find_key(desk, wanted)
    revoking = desk.identity.access.revoked_keys.revoke(pub_key, wanted.reason, asked.caller)
    return await _answer_key(revoking, CREATED)


async def _find_key(desk: Desk, wanted: ask.NewRevokedKey) -> str:
    """Return the public key that is meant.

    Raises:
        ClewError: INVALID_ARGUMENT for both or neither; NOT_FOUND for an app without one.
    """
    if (wanted.pub_key is None) == (wanted.app_id is None):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a key is meant by pub_key or by app_id",
            hint="give one of them",
        )
    if wanted.app_id is None:
        return wanted.pub_key or ""
    app_id = parse_uuid(wanted.app_id)
    pub_key = await desk.identity.find_app_key(app_id)
    if pub_key is None:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"there is no app {app_id} with a key",
            hint="see what there is: clew apps; an app has a key once it has joined",
        )
    return pub_key


async def _lift(desk: Desk, asked: Asked) -> Response:
    keys = desk.identity.access.revoked_keys
    return await _answer_key(keys.lift(asked.path["pub_key"], asked.caller))


async def _answer_key(writing: Future[doc.RevokedKey], status: int = 200) -> Response:
    key = await asyncio.wrap_future(writing)
    return answer_document(encode(doc.RevokedKeyAnswer(revoked_key=key)), status)


_READ_ERRORS: Final = (400, 429, 503, 504)
_WRITE_ERRORS: Final = (400, 404, 409, 413, 415, 429, 503)
_REMOVE_ERRORS: Final = (400, 404, 429, 503)

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/admin/grants",
        summary="Grants for single apps that count, the newest first",
        tag="access",
        parameters=ask.GrantQuery,
        documents=(doc.AppGrantList,),
        errors=_READ_ERRORS,
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.grants.find(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/admin/grants",
        method="POST",
        summary="Grant roles for one app, and below it; the very same once more is no error",
        tag="access",
        body=ask.NewGrant,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.AppGrantAnswer,),
        errors=_WRITE_ERRORS,
        verb=Verb.ADMIN,
        respond=_add,
    ),
    OpenRoute(
        path=f"{BASE}/admin/grants/{{grant_id}}",
        method="DELETE",
        summary="Take a grant back, at once; the answer is what it was",
        tag="access",
        documents=(doc.AppGrantAnswer,),
        errors=_REMOVE_ERRORS,
        verb=Verb.ADMIN,
        respond=_remove,
    ),
    QueryRoute(
        path=f"{BASE}/admin/revoked-keys",
        summary="Public keys of apps that count no more, the newest first",
        tag="access",
        parameters=ask.RevokedKeyQuery,
        documents=(doc.RevokedKeyList,),
        errors=_READ_ERRORS,
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.revoked_keys.find(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/admin/revoked-keys",
        method="POST",
        summary="Let a public key of apps count no more: nobody joins or signs with it",
        tag="access",
        body=ask.NewRevokedKey,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.RevokedKeyAnswer,),
        errors=_WRITE_ERRORS,
        verb=Verb.ADMIN,
        respond=_revoke,
    ),
    OpenRoute(
        # Base64 has slashes.
        path=f"{BASE}/admin/revoked-keys/{{pub_key:path}}",
        method="DELETE",
        summary="Let a public key of apps count again",
        tag="access",
        documents=(doc.RevokedKeyAnswer,),
        errors=_REMOVE_ERRORS,
        verb=Verb.ADMIN,
        respond=_lift,
    ),
)
