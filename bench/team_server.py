"""The fake of a team's server as a process: ``python -m bench.team_server``.

It prints its address, then obeys lines: ``fill COUNT TEAM OWNER`` makes so many queries of a team,
and answers when they are there. It ends with its input.
"""

from __future__ import annotations

import sys
from uuid import UUID

from clew.testing.trailbase import FakeTrailBase

_FILL = (
    "INSERT INTO saved_queries (id, team_id, owner, name, language, query, created_at,"
    " last_modified, op_id) WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM"
    " counted WHERE n < ?) SELECT uuid_v7(), ?, ?, 'query ' || n, 'sql', 'SELECT ' || n || ' FROM"
    " spans WHERE service = ''checkout''', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z',"
    " 'op-' || n FROM counted"
)

PIECE = 2_000
"""Of one statement: the fake gives up what takes longer than ten seconds."""


def main() -> None:
    """Serve until the input ends."""
    with FakeTrailBase() as fake:
        fake.add_user("ann@example.com", "correct horse")
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            _, count, team, owner = line.split()
            left = int(count)
            while left > 0:
                piece = min(left, PIECE)
                fake.write(_FILL, (piece, UUID(team).bytes, UUID(owner).bytes))
                left -= piece
            sys.stdout.write("filled\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
