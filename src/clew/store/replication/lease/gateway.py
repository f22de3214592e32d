"""etcd as its JSON gateway has it: questions over HTTP, a connection for each.

A lease is renewed a few times in ten seconds, so a connection that is kept would save nothing, and
might be dead when it is needed. The servers of an address are tried in turn until one lets itself
be connected to; each of them answers for all.

With TLS an address names files as etcd's own tools do: ``cacert``, whom to believe instead of those
that the system believes, and ``cert`` with ``key``, shown to an etcd that asks who comes.
"""

from __future__ import annotations

import http.client
import re
import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.address import hide_password

if TYPE_CHECKING:
    from collections.abc import Mapping

WITH_TLS: Final = "etcds"
"""How an address begins where etcd speaks TLS; else ``etcd``."""

CACERT, CERT, KEY = "cacert", "cert", "key"

PORT: Final = 2379

ANSWER_BYTES_MAX: Final = 1 << 20
"""More than two keys of ours ever are."""

RETRY_MS: Final = 1000

WORDS_MAX: Final = 200
"""Characters of what is no document, as a server or something before it may answer."""

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

    Ports are numbers, and every server has a name. Behind a question mark there may be files, where
    it is ``etcds``: each once and named, and a key with the certificate that it belongs to.
    """
    match = re.fullmatch(r"(etcds?)://(?:[^/@?#]*@)?([^/@?#]+)(/[^?#]*)?(?:\?([^#]+))?", text)
    if match is None or not all(
        re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^\[\]:,]+)(?::\d{1,5})?", host)
        for host in match[2].split(",")
    ):
        return False
    asked = parse_qsl(match[4] or "", keep_blank_values=True)
    files = dict(asked)
    return (
        (match[1] == WITH_TLS or not asked)
        and len(files) == len(asked)
        and files.keys() <= {CACERT, CERT, KEY}
        and all(files.values())
        and (CERT in files) == (KEY in files)
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
        self._has_tls = parts.scheme == WITH_TLS
        self._files = dict(parse_qsl(parts.query))
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
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = body[:WORDS_MAX].decode(errors="replace").strip()
            raise self._unavailable(f"it answers {answer.status}: {said}") from error
        if answer.status != http.client.OK:
            raise self._refused(document)
        # What would be a stream of answers has each in a field of its own.
        result: dict[str, Any] = document.get("result", document)
        return result

    def _open(self) -> http.client.HTTPConnection:
        """Return a connection to the first that takes one."""
        failure: OSError | None = None
        context = self._open_context() if self._has_tls else None
        for place, host in enumerate(self._hosts):
            name, _, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
            timeout = self._patience_s / len(self._hosts)
            where = (name.strip("[]"), int(port or PORT))
            connection = (
                http.client.HTTPConnection(*where, timeout=timeout)
                if context is None
                else http.client.HTTPSConnection(*where, timeout=timeout, context=context)
            )
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

    def _open_context(self) -> ssl.SSLContext:
        """Read the files, anew for each connection: certificates are renewed in their place.

        Raises:
            ClewError: UNAVAILABLE, naming the file that is not what it should be.
        """
        cacert, cert = self._files.get(CACERT), self._files.get(CERT)
        try:
            context = ssl.create_default_context(cafile=cacert)
        except OSError as error:
            raise self._unavailable(f"{cacert} is no certificate to go by: {error}") from error
        if cert is None:
            return context
        key = self._files[KEY]
        try:
            # Without a password of ours OpenSSL would ask for one at the terminal, and wait.
            context.load_cert_chain(cert, key, password="")
        except OSError as error:
            told = f"{cert} and {key} are no certificate and its key: {error}"
            raise self._unavailable(told) from error
        return context

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
        hint = "start etcd there, or correct --lease"
        if self._has_tls and CERT not in self._files:
            # Whether it says so depends on what arrives first: its word, or the end.
            hint += "; one with --client-cert-auth wants ?cert=FILE&key=FILE"
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"the lease at {self.shown} cannot be asked: {why}",
            hint=hint,
            retry_after_ms=RETRY_MS,
        )
