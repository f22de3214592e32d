"""Addresses of a team's server: TLS, but on this machine. Light install."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from clew.base.errors import ClewError
from clew.remote.address import parse_server
from clew.team.errors import ValidationError


def parse_address(url: str) -> str:
    """Return a server's address as it is kept: no slash at its end, its host in lower case.

    A host without a scheme is taken for ``https``, and for ``http`` on this machine.

    Raises:
        ValidationError: it is no address, or it is ``http`` to another machine, where everyone on
            the way would read the tokens.
    """
    text = url.strip()
    if "://" not in text:
        text = f"{'http' if _is_loopback(urlsplit(f'//{text}')) else 'https'}://{text}"
    try:
        parts = parse_server(text)
    except ClewError as error:
        raise ValidationError(str(error), hint="it looks like https://team.example.com") from error
    if parts.scheme != "https" and not _is_loopback(parts):
        raise ValidationError(
            f"the address of a team's server must be https: {parts.netloc}",
            hint=f"use https://{parts.netloc}; http is for a server on this machine alone",
        )
    host = parts.netloc.lower()
    default = {"https": ":443", "http": ":80"}[parts.scheme]
    return f"{parts.scheme}://{host.removesuffix(default)}{parts.path.rstrip('/')}"


def _is_loopback(parts: SplitResult) -> bool:
    try:
        host = (parts.hostname or "").rstrip(".")
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
