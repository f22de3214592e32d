"""The routes of access: API keys, role refs, the audit log, and who one is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.access import documents as doc
from clew.access import parameters as ask
from clew.access.caller import Verb
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute

if TYPE_CHECKING:
    from concurrent.futures import Future

    from starlette.requests import Request
    from starlette.responses import Response

    from clew.access.caller import Caller
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

KEY_BYTES_MAX: Final = 8 << 10
"""A key is a name, a role and two times."""

ROLE_REF_BYTES_MAX: Final = 512 << 10
"""A thousand grants of the longest subjects, with JSON around them."""

CREATED: Final = 201

Document = TypeVar("Document", bound=msgspec.Struct)


async def _create_key(desk: Desk, asked: Asked) -> Response:
    hint = 'send {"name": "ci", "role": "writer"}'
    wanted = await read_document(asked.request, ask.NewKey, KEY_BYTES_MAX, what="a key", hint=hint)
    created = await asyncio.wrap_future(desk.identity.access.keys.create(wanted, asked.caller))
    response = answer_document(encode(created), CREATED)
    # Nothing on the way may keep what opens the server.
    response.headers["cache-control"] = "no-store"
    return response


async def _revoke_key(desk: Desk, asked: Asked) -> Response:
    revoking = desk.identity.access.keys.revoke(asked.path["key_id"], asked.caller)
    return answer_document(encode(doc.KeyAnswer(key=await asyncio.wrap_future(revoking))))


async def _create_role_ref(desk: Desk, asked: Asked) -> Response:
    wanted = await _read_role_ref(asked.request, ask.NewRoleRef)
    creating = desk.identity.access.role_refs.create(wanted, asked.caller)
    return await _answer_role_ref(creating, CREATED)


async def _replace_role_ref(desk: Desk, asked: Asked) -> Response:
    edit = await _read_role_ref(asked.request, ask.RoleRefEdit)
    role_refs = desk.identity.access.role_refs
    return await _answer_role_ref(role_refs.replace(asked.path["name"], edit, asked.caller))


async def _remove_role_ref(desk: Desk, asked: Asked) -> Response:
    role_refs = desk.identity.access.role_refs
    return await _answer_role_ref(role_refs.remove(asked.path["name"], asked.caller))


async def _read_role_ref(request: Request, kind: type[Document]) -> Document:
    hint = 'send {"name": "ops", "grants": [{"sub": "key:ci", "roles": ["control"]}]}'
    return await read_document(request, kind, ROLE_REF_BYTES_MAX, what="a role ref", hint=hint)


async def _answer_role_ref(writing: Future[doc.RoleRef], status: int = 200) -> Response:
    role_ref = await asyncio.wrap_future(writing)
    return answer_document(encode(doc.RoleRefAnswer(role_ref=role_ref)), status)


async def _answer_whoami(_desk: Desk, asked: Asked) -> Response:
    return answer_document(encode(_describe(asked.caller)))


def _describe(caller: Caller) -> doc.Whoami:
    verbs = caller.verbs if caller.at_most is None else caller.at_most
    return doc.Whoami(
        kind=caller.kind,
        name=caller.name,
        # In the order in which they are declared, which is that of what they let one do.
        verbs=[verb.value for verb in Verb if verb in verbs],
        app_id=caller.scope,
    )


_WRITE_ERRORS: Final = (400, 404, 409, 413, 415, 429, 503)
_READ_ERRORS: Final = (400, 429, 503, 504)

ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/whoami",
        summary="Who the server takes the caller for, and what it may do",
        tag="access",
        documents=(doc.Whoami,),
        errors=(400,),
        decides_itself=True,
        respond=_answer_whoami,
    ),
    QueryRoute(
        path=f"{BASE}/keys",
        summary="API keys, the newest first, without their secrets",
        tag="access",
        parameters=ask.KeyQuery,
        documents=(doc.KeyList,),
        errors=_READ_ERRORS,
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.keys.find(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/keys",
        method="POST",
        summary="Make an API key; what its holder is to send is told this once",
        tag="access",
        body=ask.NewKey,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.KeyCreated,),
        errors=_WRITE_ERRORS,
        verb=Verb.ADMIN,
        respond=_create_key,
    ),
    OpenRoute(
        path=f"{BASE}/keys/{{key_id}}",
        method="DELETE",
        summary="Revoke an API key, at once and for good",
        tag="access",
        documents=(doc.KeyAnswer,),
        errors=(400, 404, 429, 503),
        verb=Verb.ADMIN,
        respond=_revoke_key,
    ),
    QueryRoute(
        path=f"{BASE}/admin/role-refs",
        summary="Role refs, the newest first",
        tag="access",
        parameters=ask.RoleRefQuery,
        documents=(doc.RoleRefList,),
        errors=_READ_ERRORS,
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.role_refs.find(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/admin/role-refs",
        method="POST",
        summary="Make a role ref; the very same one once more is no error",
        tag="access",
        body=ask.NewRoleRef,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.RoleRefAnswer,),
        errors=_WRITE_ERRORS,
        verb=Verb.ADMIN,
        respond=_create_role_ref,
    ),
    QueryRoute(
        path=f"{BASE}/admin/role-refs/{{name}}",
        summary="One role ref",
        tag="access",
        documents=(doc.RoleRefAnswer,),
        errors=(*_READ_ERRORS, 404),
        verb=Verb.ADMIN,
        ask=lambda desk, asked: doc.RoleRefAnswer(
            role_ref=desk.identity.access.role_refs.get(asked.path["name"])
        ),
    ),
    OpenRoute(
        path=f"{BASE}/admin/role-refs/{{name}}",
        method="PUT",
        summary="Say anew what a role ref is",
        tag="access",
        body=ask.RoleRefEdit,
        body_types=("application/json",),
        documents=(doc.RoleRefAnswer,),
        errors=_WRITE_ERRORS,
        verb=Verb.ADMIN,
        respond=_replace_role_ref,
    ),
    OpenRoute(
        path=f"{BASE}/admin/role-refs/{{name}}",
        method="DELETE",
        summary="Remove a role ref; the answer is what it was",
        tag="access",
        documents=(doc.RoleRefAnswer,),
        errors=(400, 404, 429, 503),
        verb=Verb.ADMIN,
        respond=_remove_role_ref,
    ),
    QueryRoute(
        path=f"{BASE}/admin/role-refs/{{name}}/history",
        summary="What became of a role ref, and by whom; it outlives the ref",
        tag="access",
        parameters=ask.RoleRefQuery,
        documents=(doc.RoleRefHistory,),
        errors=(*_READ_ERRORS, 404),
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.role_refs.history(
            asked.path["name"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/audit",
        summary="Who asked for what, and whether it was allowed, the newest first",
        tag="access",
        parameters=ask.AuditQuery,
        documents=(doc.AuditList,),
        errors=_READ_ERRORS,
        verb=Verb.ADMIN,
        ask=lambda desk, asked: desk.identity.access.find_entries(asked.parameters),
    ),
)
