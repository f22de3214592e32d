"""Bringing a PostgreSQL database to the schemas of this program.

As for SQLite (`clew.store.database.migration`): numbered steps, each in a transaction that also
writes down that it was applied. The caller holds the registry's lock, so nobody else migrates.
"""

# ruff: noqa: S608 - what is put into statements is our own

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clew.base.errors import ErrorCode
from clew.store.database.contract import Dialect
from clew.store.database.postgres.failure import Meaning, RefusedError
from clew.store.database.postgres.statements import translate_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clew.store.database.contract import Reading, Schema, Step
    from clew.store.database.postgres.link import Link

FORMAT: Final = 1
"""The version of our own bookkeeping."""

_UPGRADE_HINT: Final = "start the clew that wrote it, or a newer one"

_RELATIONS: Final = (
    "SELECT count(*) AS count, count(*) FILTER (WHERE relname = 'registry_state') AS ours"
    " FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
)

# Half of each page of the state stays free, so that its row can be written anew in its page.
_CLAIM: Final = f"""
CREATE TABLE schema_steps (
    schema TEXT NOT NULL,
    step INTEGER NOT NULL,
    what TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (schema, step)
);
CREATE TABLE registry_state (
    format INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    commits BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO registry_state VALUES ({FORMAT}, 0, 0)
"""


def migrate(link: Link, schemas: Sequence[Schema], *, shown: str, now: Callable[[], int]) -> None:
    """Apply every step that was not applied yet, in order; nothing when all were.

    Raises:
        RefusedError: UNSUPPORTED when the tables are another program's or a newer one's; and what
            the server refuses.
    """
    _claim(link, shown)
    applied = {
        row["schema"]: row["step"]
        for row in link.rows(
            "SELECT schema, max(step) AS step FROM schema_steps GROUP BY schema", None
        )
    }
    known = {schema.name: schema for schema in schemas}
    for name, number in applied.items():
        newest = len(known[name].steps) if name in known else 0
        if number > newest:
            raise _unsupported(
                f"the registry at {shown} was written by a newer clew: {name} is at step {number},"
                f" this one knows {newest}",
                _UPGRADE_HINT,
            )
    for schema in schemas:
        assert [step.number for step in schema.steps] == list(range(1, len(schema.steps) + 1))
        for step in schema.steps[applied.get(schema.name, 0) :]:
            _apply(link, schema.name, step, now())


def check_steps(reading: Reading, schemas: Sequence[Schema], shown: str) -> None:
    """Raise unless the tables at an address are ours, and just as these schemas say.

    Raises:
        RefusedError: UNSUPPORTED.
    """
    (found,) = reading.rows(_RELATIONS)
    if not found["ours"]:
        raise _unsupported(
            f"{shown} holds no registry of clew", "start the server that leads, then this one"
        )
    (state,) = reading.rows("SELECT format FROM registry_state")
    applied = {
        row["schema"]: row["step"]
        for row in reading.rows(
            "SELECT schema, max(step) AS step FROM schema_steps GROUP BY schema"
        )
    }
    wanted = {schema.name: len(schema.steps) for schema in schemas if schema.steps}
    if state["format"] != FORMAT or applied != wanted:
        raise _unsupported(
            f"the registry at {shown} was written by another version of clew",
            "all servers of a group run the same clew: upgrade the older one",
        )


def _claim(link: Link, shown: str) -> None:
    """Make the schema of the database ours when it is empty; refuse it when it is another's."""
    (found,) = link.rows(_RELATIONS, None)
    if found["ours"]:
        (state,) = link.rows("SELECT format FROM registry_state", None)
        if state["format"] > FORMAT:
            raise _unsupported(
                f"the registry at {shown} was written by a newer clew: its format is"
                f" {state['format']}, this one knows {FORMAT}",
                _UPGRADE_HINT,
            )
        return
    if found["count"]:
        raise _unsupported(
            f"{shown} holds the tables of another program",
            "give the registry a database, or a schema (search_path), of its own",
        )
    with _transaction(link):
        link.script(_CLAIM)


def _apply(link: Link, schema: str, step: Step, at: int) -> None:
    statements = step.statements_for(Dialect.POSTGRES)
    if step.postgres is None:
        statements = tuple(translate_table(statement) for statement in statements)
    with _transaction(link):
        for statement in statements:
            try:
                link.script(statement)
            except RefusedError as error:
                if error.meaning.code is not ErrorCode.INTERNAL:
                    raise
                raise _unsupported(
                    f"step {step.number} of {schema} ({step.what}) does not run:"
                    f" {error.meaning.message}",
                    "report this, with the version of the PostgreSQL server",
                ) from error
        link.run(
            "INSERT INTO schema_steps VALUES (:schema, :step, :what, :at)",
            {"schema": schema, "step": step.number, "what": step.what, "at": at},
        )


def _unsupported(message: str, hint: str) -> RefusedError:
    return RefusedError(Meaning(ErrorCode.UNSUPPORTED, message, hint))


@contextmanager
def _transaction(link: Link) -> Iterator[None]:
    """All of a block, or nothing of it."""
    link.script("BEGIN")
    is_done = False
    try:
        yield
        link.script("COMMIT")
        is_done = True
    finally:
        if not is_done and link.is_open:
            link.script("ROLLBACK")
