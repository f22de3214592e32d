"""Whose word on which object a request is about is taken: nobody's, unless the program says so.

Baggage is a header that anybody can send. Taken from a stranger it would let him write into the
history of any object whose id he guesses, so a door drops it unless it is told whom to trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from clew.twin.logger.complaints import COMPLAINTS

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

Trust = bool | Iterable[str] | Callable[[str], bool]
"""True or False; addresses and networks, such as ``["10.0.0.0/8", "::1"]``; or a function that is
given the address of the peer, which is empty where it is not known."""


def read_trust(trust: Trust) -> Callable[[str], bool]:
    """Return the policy as a function of the peer's address.

    Raises:
        ValueError: what should be a network is none.
    """
    if isinstance(trust, bool):
        is_trusted = trust
        return lambda _peer: is_trusted
    if callable(trust):
        return _guarded(trust)
    if isinstance(trust, str):
        trust = [trust]
    networks = [ip_network(each, strict=False) for each in trust]
    return lambda peer: _is_inside(peer, networks)


def _guarded(policy: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return a policy of the program's own that trusts nobody where it fails."""

    def is_trusted(peer: str) -> bool:
        try:
            return bool(policy(peer))
        except Exception as error:  # noqa: BLE001 - telemetry must never break a request
            COMPLAINTS.tell(
                ("trust",), f"whom to trust could not be found out, so nobody is: {error!r}"
            )
            return False

    return is_trusted


def _is_inside(peer: str, networks: list[IPv4Network | IPv6Network]) -> bool:
    try:
        # A link-local address may name its interface: fe80::1%eth0.
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return any(address in each for each in networks)
