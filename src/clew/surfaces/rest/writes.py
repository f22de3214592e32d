"""Writes of the registry, as routes wait for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from concurrent.futures import Future

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Asked

Result = TypeVar("Result")


async def wait_durable(desk: Desk, asked: Asked, writing: Future[Result]) -> Result:
    """Return what a write gives when it is durable, and have a denial of it written down.

    No thread is held meanwhile: many wait for one commit.
    """
    try:
        return await asyncio.wrap_future(writing)
    except ClewError as error:
        if error.code is ErrorCode.FORBIDDEN:
            scope = asked.request.scope
            action = f"{scope['method']} {scope['path']}"
            desk.identity.deny(asked.caller, action, error.message, scope)
        raise
