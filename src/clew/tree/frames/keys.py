"""Ed25519 keys as text, and signatures over frames. `cryptography` is imported by the first use.

A key is ``ed25519:`` with 32 bytes in standard Base64, a signature the same with 64. What is signed
is `clew.tree.frames.canonical.signing_bytes` of the frame; a proof is such a signature over a frame
that has the nonce of the server's challenge in it.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.canonical import signing_bytes
from clew.tree.frames.codec import encode, parse
from clew.tree.frames.inbound import Inbound
from clew.tree.frames.outbound import Control

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PREFIX: Final = "ed25519:"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

# Nobody may meet a nonce twice in the life of a server: 256 bits, as much as the key.
NONCE_BYTES: Final = 32

Signed = TypeVar("Signed", bound=Inbound | Control)


class Signer:
    """A private key. It has no text of its own: `seed` are its 32 bytes, for whoever must keep it.

    Raises:
        ClewError: INVALID_ARGUMENT when the seed has another length.
    """

    def __init__(self, seed: bytes | None = None) -> None:
        self.seed = secrets.token_bytes(KEY_BYTES) if seed is None else seed
        if len(self.seed) != KEY_BYTES:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"a key of {len(self.seed)} bytes",
                hint=f"an Ed25519 seed has {KEY_BYTES} bytes",
            )
        self._key = _private_key(self.seed)
        self.pub_key = PREFIX + _base64(self._key.public_key().public_bytes_raw())
        """The public key as text."""

    def __repr__(self) -> str:
        """Return the public half; the private one must not reach a log."""
        return f"Signer({self.pub_key})"

    def sign(self, octets: bytes) -> str:
        """Return the signature over bytes."""
        return PREFIX + _base64(self._key.sign(octets))

    def sign_frame(self, frame: Signed, nonce: str | None = None) -> Signed:
        """Return the frame with its `sig`; with the nonce in it, a frame of a client is a proof.

        Raises:
            ClewError: INVALID_ARGUMENT when the frame has no canonical form.
        """
        if nonce is not None and isinstance(frame, Inbound):
            frame = msgspec.structs.replace(frame, nonce=nonce)
        bare = msgspec.structs.replace(frame, sig=None)
        return msgspec.structs.replace(bare, sig=self.sign(signing_bytes(encode(bare))))


def verify(pub_key: str, octets: bytes, signature: str) -> bool:
    """Say whether the signature over bytes is by the holder of the key. Never raises."""
    from cryptography.exceptions import InvalidSignature

    try:
        key = _public_key(parse_key(pub_key))
        key.verify(_parse(signature, SIGNATURE_BYTES, "signature"), octets)
    except (ClewError, InvalidSignature, ValueError):
        # ValueError: 32 bytes that are no point of the curve.
        return False
    return True


def verify_frame(pub_key: str, frame: bytes, nonce: str | None = None) -> bool:
    """Say whether a frame, as it came in, is signed by the holder of the key. Never raises.

    With a `nonce`, it must be that of the frame as well: then the signature is a proof.
    """
    try:
        value = parse(frame)
        signed = signing_bytes(frame)
    except ClewError:
        return False
    signature = value.get("sig")
    if not isinstance(signature, str) or (nonce is not None and value.get("nonce") != nonce):
        return False
    return verify(pub_key, signed, signature)


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of a public key.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none.
    """
    return _parse(text, KEY_BYTES, "key")


def new_nonce() -> str:
    """Return a fresh nonce for a challenge."""
    return secrets.token_urlsafe(NONCE_BYTES)


def _parse(text: str, count: int, what: str) -> bytes:
    try:
        octets = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    # The one text of these bytes: Base64 reads some others, which would be the same key twice.
    if len(octets) == count and text == PREFIX + _base64(octets):
        return octets
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a {what}: {text[:64]!r}",
        hint=f"a {what} is {PREFIX} and {count} bytes in standard Base64",
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _private_key(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def _public_key(octets: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(octets)
