"""Who makes a gRPC call, and whether they may: looked at before a byte of its message is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc

from clew.access.caller import Verb
from clew.base.errors import ClewError
from clew.surfaces.errors import grpc_status, one_line
from clew.surfaces.grpc.export import SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from clew.surfaces.identity import Identity

_INGEST_METHODS: Final = frozenset(f"/{service}/Export" for service in SERVICES.values())

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class GuardedHandlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """All handlers of a server, for callers who may call them. Belongs to one event loop.

    Not an interceptor: the library's own make each call dearer than looking at its metadata does.
    (An empty call took some 500 µs of CPU on both sides with one, 360 to 390 this way.)
    """

    def __init__(self, identity: Identity, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._identity = identity
        self._handlers = tuple(handlers)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call, or one that says why there is none for this caller."""
        method = details.method
        verb = Verb.INGEST if method in _INGEST_METHODS else Verb.OBSERVE
        about = {"method": "gRPC", "path": method}
        try:
            caller = self._identity.identify_call(details.invocation_metadata, about)
            self._identity.authorize(caller, verb, about)
        except ClewError as error:
            return _refuse(error)
        for handler in self._handlers:
            found = handler.service(details)
            if found is not None:
                return found
        return None


def _refuse(error: ClewError) -> grpc.RpcMethodHandler:
    """Return a handler that ends its call.

    It takes the form of a stream, whatever the method is: on the wire the two are the same, and
    this one is called before any message is in memory.
    """

    async def end(_messages: AsyncIterator[bytes], context: Any) -> bytes:
        await context.abort(_STATUS_CODES[grpc_status(error.code)], one_line(error))
        return b""

    return grpc.stream_unary_rpc_method_handler(end)
