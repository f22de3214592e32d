"""The lease in etcd: two keys that change together or not at all.

Theory of operation. One key says who holds the lease. It hangs on a lease of etcd's own, whose
time its holder renews, and is gone with it. The other key says who held it last, under which
epoch, and stays, so that epochs grow for ever. Both are changed by one transaction that compares
the revisions that were read of them: of many who take it at once one does.

etcd counts in whole seconds, and gives every lease its whole time again when its own leader
changes. So for others the lease ends when its holder thinks so or later, never sooner.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.lease.contract import Holder
from clew.store.replication.lease.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.replication.lease.contract import Candidate

FIRST_PART: Final = "clew"
"""What the names of all keys begin with."""


class _Value(msgspec.Struct, frozen=True):
    """What stands in both keys."""

    holder: str
    url: str
    epoch: int


@dataclass(frozen=True, slots=True)
class _Key:
    """A key as it was read: `revision` 0 and no value where there is none."""

    name: str
    value: _Value | None = None
    revision: int = 0
    lease: int = 0

    @property
    def is_unchanged(self) -> dict[str, Any]:
        """The comparison that it is still so."""
        return {
            "key": _text(self.name),
            "target": "MOD",
            "result": "EQUAL",
            "mod_revision": str(self.revision),
        }


class EtcdLeases:
    """See `LeaseStore`. The path of the address is a part of the keys' names."""

    def __init__(self, address: str, candidate: Candidate, patience_s: float) -> None:
        self._gateway = Gateway(address, patience_s)
        self.shown = self._gateway.shown
        self._candidate = candidate
        parts = [FIRST_PART, *self._gateway.path, candidate.group]
        self._held, self._last = ("/".join([*parts, name]) for name in ("held", "last"))
        self._lease = 0

    def read(self) -> Holder | None:
        """See `LeaseStore.read`."""
        held, last = self._read()
        if held.value is not None:
            told = self._gateway.ask("lease/timetolive", {"ID": str(held.lease)})
            return _holder(held.value, float(told.get("TTL", 0)))
        return None if last.value is None else _holder(last.value, 0.0)

    def acquire(self, least: int) -> int | None:
        """See `LeaseStore.acquire`."""
        mine = self._candidate
        held, last = self._read()
        # Whoever holds it and asks anew was restarted: its folder's lock says that it is alone.
        if held.value is not None and held.value.holder != mine.node_id:
            return None
        newest = 0 if last.value is None else last.value.epoch
        value = _Value(mine.node_id, mine.url, max(newest, least) + 1)
        return value.epoch if self._take((held, last), value) else None

    def renew(self, epoch: int) -> bool:
        """See `LeaseStore.renew`."""
        if self._lease:
            # What has ended is not renewed by this; the keys say afterwards whether it has.
            self._ask_of_lease("keepalive", self._lease)
        held, last = self._read()
        mine = _Value(self._candidate.node_id, self._candidate.url, epoch)
        if held.value is not None:
            return held.value == mine and held.lease == self._lease
        return last.value == mine and self._take((held, last), mine)

    def release(self, epoch: int) -> None:
        """See `LeaseStore.release`. Nobody else's key hangs on the lease that is ended."""
        if self._lease:
            self._ask_of_lease("revoke", self._lease)
            self._lease = 0

    def close(self) -> None:
        """See `LeaseStore.close`. There is a connection for each question alone."""

    def _read(self) -> tuple[_Key, _Key]:
        """Return both keys as they were at one moment."""
        names = (self._held, self._last)
        told = self._gateway.ask(
            "kv/txn", {"success": [{"request_range": {"key": _text(name)}} for name in names]}
        )
        held, last = (
            _parse(name, answer["response_range"].get("kvs", ()))
            for name, answer in zip(names, told["responses"], strict=True)
        )
        return held, last

    def _take(self, seen: Sequence[_Key], value: _Value) -> bool:
        """Put a value into both keys where they are as they were seen; return whether so."""
        seconds = math.ceil(self._candidate.seconds)
        lease = self._gateway.ask("lease/grant", {"TTL": str(seconds)})["ID"]
        text = base64.b64encode(msgspec.json.encode(value)).decode()
        told = self._gateway.ask(
            "kv/txn",
            {
                "compare": [key.is_unchanged for key in seen],
                "success": [
                    {"request_put": {"key": _text(self._held), "value": text, "lease": lease}},
                    {"request_put": {"key": _text(self._last), "value": text}},
                ],
            },
        )
        if not told.get("succeeded", False):
            self._ask_of_lease("revoke", int(lease))
            return False
        self._lease = int(lease)
        return True

    def _ask_of_lease(self, what: str, lease: int) -> None:
        """Have a lease of etcd's own renewed or ended; one that has ended stays so."""
        try:
            self._gateway.ask(f"lease/{what}", {"ID": str(lease)})
        except ClewError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise


def _text(name: str) -> str:
    """Return bytes as the gateway has them."""
    return base64.b64encode(name.encode()).decode()


def _parse(name: str, found: Sequence[dict[str, Any]]) -> _Key:
    if not found:
        return _Key(name)
    (kept,) = found
    value = msgspec.json.decode(base64.b64decode(kept["value"]), type=_Value)
    return _Key(name, value, int(kept["mod_revision"]), int(kept.get("lease", 0)))


def _holder(value: _Value, left_s: float) -> Holder:
    return Holder(value.holder, value.url, value.epoch, left_s)
