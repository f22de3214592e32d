"""Who makes a gRPC call, and whether they may: looked at before a byte of its message is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from clew.access.caller import Verb
from clew.base.errors import ClewError
from clew.surfaces.errors import grpc_status
from clew.surfaces.grpc.export import SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clew.surfaces.identity import Identity

    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]

_INGEST_METHODS: Final = frozenset(f"/{service}/Export" for service in SERVICES.values())

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class CallerInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets a call go on to its handler, or ends it. Belongs to one event loop."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        """Return the handler of a call, or one that says why there is none for this caller."""
        method = handler_call_details.method
        verb = Verb.INGEST if method in _INGEST_METHODS else Verb.OBSERVE
        about = {"method": "gRPC", "path": method}
        try:
            caller = self._identity.identify_call(handler_call_details.invocation_metadata, about)
            self._identity.authorize(caller, verb, about)
        except ClewError as error:
            return _refuse(error)
        return await continuation(handler_call_details)


def _refuse(error: ClewError) -> grpc.RpcMethodHandler:
    """Return a handler that ends its call.

    It takes the form of a stream, whatever the method is: on the wire the two are the same, and
    this one is called before any message is in memory.
    """

    async def end(_messages: AsyncIterator[bytes], context: Any) -> bytes:
        message = error.message if error.hint is None else f"{error.message}: {error.hint}"
        await context.abort(_STATUS_CODES[grpc_status(error.code)], message)
        return b""

    return grpc.stream_unary_rpc_method_handler(end)
