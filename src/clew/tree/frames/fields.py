"""The kinds of fields that frames are made of, and how long each may be."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

ID_PATTERN: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

ID_CHARS: Final = 36

# A label that people read in a tree; the longest Kubernetes name is 253.
NAME_CHARS_MAX: Final = 256

# A word of the app's vocabulary, such as ``checkpoint``.
ACTION_CHARS_MAX: Final = 128

# Ids that somebody chose: a UUID has 36 characters, a trace with its span 49.
CORRELATION_CHARS_MAX: Final = 128

# A sentence or two for a person; a stack trace belongs into a payload.
REASON_CHARS_MAX: Final = 4096

# Ed25519 keys and signatures take 52 and 96 characters; a longer one is none.
KEY_CHARS_MAX: Final = 128

# A join token or a nonce: 32 random bytes take 43 characters, and fewer can be guessed.
TOKEN_CHARS_MIN: Final = 43
TOKEN_CHARS_MAX: Final = 256

# A path of a file may have 4096 bytes on Linux, the longest of what a process tells of itself.
PROCESS_CHARS_MAX: Final = 4096

# Role refs and capabilities of one app; people write these lists by hand.
LIST_ITEMS_MAX: Final = 64

# What JSON numbers carry everywhere, JavaScript included.
NUMBER_MAX: Final = 2**53 - 1

# The end of a pattern is also before a line break at the end of a text; its length rules that out.
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, max_length=ID_CHARS)]
Name = Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)]
AppName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Action = Annotated[str, msgspec.Meta(min_length=1, max_length=ACTION_CHARS_MAX)]
CorrelationId = Annotated[str, msgspec.Meta(min_length=1, max_length=CORRELATION_CHARS_MAX)]
Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)]
Key = Annotated[str, msgspec.Meta(max_length=KEY_CHARS_MAX)]
Token = Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]
Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=LIST_ITEMS_MAX)]
ProcessText = Annotated[str, msgspec.Meta(max_length=PROCESS_CHARS_MAX)]


CANCEL_ACTION: Final = "cancel"
"""The end: what an app is told to do that it has no word of its own for."""

SYSTEM_ACTIONS: Final = frozenset({CANCEL_ACTION, "provision", "rotate_keys", "migrate"})
"""What only the system says to an app, of all actions: they change who it is and whom it obeys.

The first is a cancel's; the others are kept free for what TRAILS names so.
"""


class MessageKind(StrEnum):
    """What a message is. TRAILS' `Control` is a kind of its rows; no client may send it."""

    STATUS = "Status"
    RESULT = "Result"
    ERROR = "Error"


class Source(StrEnum):
    """Who speaks: the app itself, or the agent that watches its process. Each counts by itself."""

    APP = "app"
    AGENT = "agent"


def null() -> msgspec.Raw:
    """Return the JSON text null, for fields that hold any JSON value and may be left out."""
    return msgspec.Raw(b"null")
