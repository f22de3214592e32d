"""The client of access: keys, grants and the audit log of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.access import documents as doc
from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply

if TYPE_CHECKING:
    from clew.access import parameters as ask
    from clew.remote.http import Server

_JSON: Final = "application/json"


class AccessClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def create_key(self, wanted: ask.NewKey) -> Reply[doc.KeyCreated]:
        """Make a key; what its holder is to send is told this once."""
        answer = self.server.post(f"{BASE}/keys", msgspec.json.encode(wanted), _JSON)
        return Reply(answer, doc.KeyCreated)

    def find_keys(self, query: ask.KeyQuery) -> Reply[doc.KeyList]:
        """Return one page of keys, the newest first."""
        return Reply(self.server.get(f"{BASE}/keys", to_pairs(query)), doc.KeyList)

    def revoke_key(self, key_id: str) -> Reply[doc.KeyAnswer]:
        """Take a key out of use, at once and for good."""
        return Reply(self.server.delete(f"{BASE}/keys/{quoted(key_id)}"), doc.KeyAnswer)

    def find_entries(self, query: ask.AuditQuery) -> Reply[doc.AuditList]:
        """Return one page of the audit log, the newest first."""
        return Reply(self.server.get(f"{BASE}/audit", to_pairs(query)), doc.AuditList)

    def add_grant(self, wanted: ask.NewGrant) -> Reply[doc.AppGrantAnswer]:
        """Grant roles for one app; the very same grant once more is no error."""
        answer = self.server.post(f"{BASE}/admin/grants", msgspec.json.encode(wanted), _JSON)
        return Reply(answer, doc.AppGrantAnswer)

    def find_grants(self, query: ask.GrantQuery) -> Reply[doc.AppGrantList]:
        """Return one page of the grants that count, the newest first."""
        answer = self.server.get(f"{BASE}/admin/grants", to_pairs(query))
        return Reply(answer, doc.AppGrantList)

    def remove_grant(self, grant_id: str) -> Reply[doc.AppGrantAnswer]:
        """Take a grant back, at once."""
        answer = self.server.delete(f"{BASE}/admin/grants/{quoted(grant_id)}")
        return Reply(answer, doc.AppGrantAnswer)

    def revoke_app_key(self, wanted: ask.NewRevokedKey) -> Reply[doc.RevokedKeyAnswer]:
        """Let a public key of apps count no more."""
        answer = self.server.post(f"{BASE}/admin/revoked-keys", msgspec.json.encode(wanted), _JSON)
        return Reply(answer, doc.RevokedKeyAnswer)

    def find_revoked_app_keys(self, query: ask.RevokedKeyQuery) -> Reply[doc.RevokedKeyList]:
        """Return one page of public keys that count no more, the newest first."""
        answer = self.server.get(f"{BASE}/admin/revoked-keys", to_pairs(query))
        return Reply(answer, doc.RevokedKeyList)

    def lift_app_key(self, pub_key: str) -> Reply[doc.RevokedKeyAnswer]:
        """Let a public key of apps count again."""
        answer = self.server.delete(f"{BASE}/admin/revoked-keys/{quoted(pub_key)}")
        return Reply(answer, doc.RevokedKeyAnswer)

    def whoami(self) -> Reply[doc.Whoami]:
        """Return who the server takes us for."""
        return Reply(self.server.get(f"{BASE}/whoami"), doc.Whoami)
