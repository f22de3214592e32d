"""What `contracts/trails/` says of frames and codes, for clients in other languages."""

from __future__ import annotations

import inspect
import json
from typing import Any, Final

import msgspec

from clew.tree.frames.codec import DEPTH_MAX, FRAME_BYTES_MAX
from clew.tree.frames.codes import CLOSE_OF, RETRYABLE, STOP, CloseCode, FrameError
from clew.tree.frames.inbound import AnyInbound
from clew.tree.frames.outbound import AnyOutbound, CancelPayload

_REFERENCE: Final = "#/$defs/{name}"
_COMMAND: Final = "python -m clew.app.generate"


def encode_schema() -> bytes:
    """Return the JSON schema of all frames: `client_to_server` and `server_to_client`."""
    (inbound, outbound, _), definitions = msgspec.json.schema_components(
        [AnyInbound, AnyOutbound, CancelPayload], ref_template=_REFERENCE
    )
    return _pretty(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$comment": f"Written by {_COMMAND}. A frame is a text message of the socket with at "
            f"most {FRAME_BYTES_MAX} bytes and {DEPTH_MAX} levels; unknown fields are ignored. The "
            "payload of a cancel is a CancelPayload.",
            "$defs": {
                "client_to_server": inbound,
                "server_to_client": outbound,
                **definitions,
            },
        }
    )


def encode_codes() -> bytes:
    """Return the close codes and the error codes, with what a client does about each."""
    return _pretty(
        {
            "comment": f"Written by {_COMMAND}. After a close that is not resumable a client "
            "stops; after any other, and any code that is not here, it comes back. A frame that "
            "was refused with a retryable error may be sent again later.",
            "close_codes": [
                {"code": code.value, "name": code.name.lower(), "is_resumable": code not in STOP}
                for code in CloseCode
            ],
            "error_codes": [
                {
                    "code": error.value,
                    "is_retryable": error in RETRYABLE,
                    "close_code": CLOSE_OF.get(error),
                }
                for error in FrameError
            ],
        }
    )


def _pretty(value: Any) -> bytes:
    _clean(value)
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _clean(value: Any) -> None:
    """Take the indentation out of descriptions, as later versions of Python do by themselves."""
    if isinstance(value, dict):
        description = value.get("description")
        if isinstance(description, str):
            value["description"] = inspect.cleandoc(description)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _clean(each)
