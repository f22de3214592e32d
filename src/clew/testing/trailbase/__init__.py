"""A TrailBase server for tests: it speaks the real one's HTTP API, with its traps, in a thread.

It loads the migrations and the configuration of `deploy/trailbase/` into SQLite and evaluates the
access rules as SQL, as the real one does, so whoever tests against it tests those files too.

The traps, which `tests/conformance/test_trailbase_contract.py` names one by one: a bearer that is
wrong or past its end is anonymous, so lists are empty and writes forbidden; a refresh brings no new
refresh token; a registration brings no tokens; a record API that is unknown is 405; a constraint
at a create is 400, at a change 500; a row that is not there is 403 where there is a rule; cursors
die with a restart; filters take ids as base64 only; streams have no replay, and lose events.
"""

from __future__ import annotations

from clew.testing.trailbase.accounts import FakeUser, Tokens
from clew.testing.trailbase.documented import FakeDocumented
from clew.testing.trailbase.server import FakeTrailBase
from clew.testing.trailbase.troubles import Asked, Hold, Trouble

__all__ = ["Asked", "FakeDocumented", "FakeTrailBase", "FakeUser", "Hold", "Tokens", "Trouble"]
