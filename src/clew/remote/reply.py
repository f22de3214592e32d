"""Answers of a clew server as the documents they are: what every strand's client is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.problems import DOOR_HINT

if TYPE_CHECKING:
    from clew.remote.answer import Answer

BASE: Final = "/api/v1"

Document = TypeVar("Document")


@dataclass(frozen=True, slots=True)
class Reply(Generic[Document]):
    """An answer with the type of its document; the bytes are kept as the server sent them."""

    answer: Answer
    kind: type[Document]

    @property
    def body(self) -> bytes:
        """The document as it came."""
        return self.answer.body

    @property
    def server_ms(self) -> float | None:
        """Milliseconds the server spent."""
        return self.answer.server_ms

    def document(self) -> Document:
        """Return the document.

        Raises:
            ClewError: as `decode`.
        """
        return decode(self.answer.body, self.kind)


def decode(body: bytes, kind: type[Document]) -> Document:
    """Return a document of the server's, checked against its type.

    Raises:
        ClewError: INTERNAL when it has another shape, UNAVAILABLE when it is no document at all, as
            what stands before a server says it in its stead.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ClewError(
            ErrorCode.INTERNAL,
            f"the server's answer is not the document expected: {error}",
            hint="client and server may be of different versions: clew doctor",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"what answers is no clew server: it sent no document ({error})",
            hint=DOOR_HINT,
        ) from error
