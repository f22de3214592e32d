"""etcd as its JSON gateway has it: questions over HTTP, a connection for each.

A lease is renewed a few times in ten seconds, so a connection that is kept would save nothing, and
might be dead when it is needed. The servers of an address are tried in turn until one lets itself
be connected to; each of them answers for all.
"""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.address import hide_password

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final[Mapping[str, type[http.client.HTTPConnection]]] = {
    "etcd": http.client.HTTPConnection,
    "etcds": http.client.HTTPSConnection,
}
"""How an address of etcd begins, without TLS and with it."""

PORT: Final = 2379

ANSWER_BYTES_MAX: Final = 1 << 20
"""More than two keys of ours ever are."""

RETRY_MS: Final = 1000

_UNAUTHENTICATED: Final = 16
_CODES: Final = {
    3: ErrorCode.UNAUTHENTICATED,
    5: ErrorCode.NOT_FOUND,
    7: ErrorCode.FORBIDDEN,
    _UNAUTHENTICATED: ErrorCode.UNAUTHENTICATED,
}
"""What gRPC's numbers are here. 3 is what a wrong password gets."""


def is_etcd(text: str) -> bool:
    """Return whether a text names servers of etcd: ``etcd://[user:password@]host[:port][,…][/path]``.

    Ports are numbers, and every server has a name.
    """
    match = re.fullmatch(r"etcds?://(?:[^/@]*@)?([^/@?#]+)(/[^?#]*)?", text)
    return match is not None and all(
        re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^\[\]:,]+)(?::\d{1,5})?", host)
        for host in match[1].split(",")
    )


class Gateway:
    """The servers of one address. One thread asks at a time.

    `path` has the parts of the address's path, `shown` is the address without its password.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        parts = urlsplit(address)
        self.shown = hide_password(address)
        self.path = [part for part in parts.path.split("/") if part]
        user, _, hosts = parts.netloc.rpartition("@")
        self._hosts = hosts.split(",")
        name, _, password = user.partition(":")
        self._account = {"name": unquote(name), "password": unquote(password)} if user else None
        self._connect = SCHEMES[parts.scheme]
        self._patience_s = patience_s
        self._token: str | None = None

    def ask(self, what: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return what etcd answers; `what` is the path below ``/v3/``.

        Raises:
            ClewError: UNAVAILABLE when nobody answers, NOT_FOUND, FORBIDDEN, UNAUTHENTICATED.
        """
        if self._account is not None and self._token is None:
            self._log_in()
        try:
            return self._ask(what, question)
        except ClewError as error:
            if self._account is None or error.code is not ErrorCode.UNAUTHENTICATED:
                raise
        # A token ends after some minutes, or with the server that gave it.
        self._log_in()
        return self._ask(what, question)

    def _log_in(self) -> None:
        self._token = None
        assert self._account is not None
        self._token = self._ask("auth/authenticate", self._account)["token"]

    def _ask(self, what: str, question: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        if self._token is not None:
            headers["authorization"] = self._token
        try:
            with closing(self._open()) as connection:
                connection.request("POST", f"/v3/{what}", msgspec.json.encode(question), headers)
                answer = connection.getresponse()
                body = answer.read(ANSWER_BYTES_MAX)
                document = msgspec.json.decode(body, type=dict[str, Any])
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error
        if answer.status != http.client.OK:
            raise self._refused(document)
        # What would be a stream of answers has each in a field of its own.
        result: dict[str, Any] = document.get("result", document)
        return result

    def _open(self) -> http.client.HTTPConnection:
        """Return a connection to the first that takes one."""
        failure: OSError | None = None
        for place, host in enumerate(self._hosts):
            name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
            timeout = self._patience_s / len(self._hosts)
            connection = self._connect(name.strip("[]"), int(port or PORT), timeout=timeout)
            try:
                connection.connect()
            except OSError as error:
                failure = error
                continue
            # It is asked first the next time.
            self._hosts[:] = self._hosts[place:] + self._hosts[:place]
            return connection
        assert failure is not None
        raise failure

    def _refused(self, document: Mapping[str, Any]) -> ClewError:
        said = str(document.get("message") or document.get("error"))
        code = _CODES.get(int(document.get("code", 0)))
        if code is None:
            return self._unavailable(said)
        return ClewError(
            code,
            f"the lease at {self.shown}: {said}",
            hint="check the user and password of --lease, and what etcd lets this user change",
        )

    def _unavailable(self, why: str) -> ClewError:
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"the lease at {self.shown} cannot be asked: {why}",
            hint="start etcd there, or correct --lease",
            retry_after_ms=RETRY_MS,
        )
