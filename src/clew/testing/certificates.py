"""Certificates for tests: an authority of the test's own, and what it signs, as files.

They hold for a day around the test, and for one address.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clew.testing.network import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority", "Issued"]

_DAY: Final = timedelta(days=1)


class Issued(NamedTuple):
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; `cert` is the file by which others believe it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        is_authority = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._begin(self._name, self._key).add_extension(is_authority, critical=True)
        self.cert = folder / "authority.pem"
        self.cert.write_bytes(self._sign(builder))

    def issue(self, file_name: str, common_name: str = "", address: str = LOOPBACK) -> Issued:
        """Return a new certificate of a server at an address, or of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
        at = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = self._begin(x509.Name(named), key).add_extension(at, critical=not named)
        issued = Issued(self._folder / f"{file_name}.pem", self._folder / f"{file_name}-key.pem")
        issued.cert.write_bytes(self._sign(builder))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return issued

    def _begin(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
