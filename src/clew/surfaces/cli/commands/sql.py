"""`clew sql`."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, read_whole_number
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.views.sql import row_table, schema_lines

FLAGS = ("--schema", "--limit", "--server", "--format", "--max-tokens")

_FLAG = re.compile(r"--?[A-Za-z][\w-]*(=.*)?")

# Far more than the server takes; it bounds only what is read from a file given by mistake.
STATEMENT_BYTES_MAX = 1 << 20

# What every file system takes as one name.
PATH_CHARS_MAX = 255

Statement = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help="The statement; - reads it from stdin, the name of a file from there.",
    ),
]
Schema = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        group=FILTERS,
        help="Show the tables and columns that SQL may read, with examples.",
    ),
]
Limit = Annotated[
    int | None,
    Parameter(
        group=FILTERS,
        converter=read_whole_number,
        help="Rows at most; the server's own bound holds in any case.",
    ),
]


def sql(
    query: Statement = None,
    /,
    *,
    schema: Schema = False,
    limit: Limit = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Ask in SQL, read-only."""
    session = Session(answer)
    if schema:
        reply = session.client.get_sql_schema()
        listing = Listing(reply, "tables", "table", schema_lines)
        return session.show(listing, _no_tables)
    if query is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "no statement is given",
            hint="""clew sql 'SELECT count() FROM otel_traces', or see: clew sql --schema""",
        )
    if _FLAG.fullmatch(query):
        # A statement may begin with a comment (--), so the parser lets misspelt flags through.
        near = difflib.get_close_matches(query, FLAGS, n=1)
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"unknown option: {query}",
            hint=f"did you mean {near[0]}?" if near else "see: clew sql --help",
        )
    rows = session.client.run_sql(read_statement(query), limit=limit)
    return session.show(
        Listing(rows, "rows", "row", row_table, how="LIMIT and OFFSET, or fewer columns"), _no_rows
    )


def read_statement(query: str) -> str:
    """Return the statement that an argument stands for.

    A file is meant when one of that name exists, or the argument ends in ``.sql``; no statement is
    a path of a file at the same time.

    Raises:
        ClewError: when the file or stdin cannot be read.
    """
    if query == "-":
        return _read(sys.stdin.buffer, "standard input")
    path = Path(query)
    try:
        if not (query.endswith(".sql") or _names_file(query)):
            return query
        with path.open("rb") as stream:
            return _read(stream, query)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"cannot read {query}: {reason}",
            hint="name a file that is there, or give the statement in quotes",
        ) from error


def _names_file(query: str) -> bool:
    # A longer text is a statement; asked whether it is a file, the system would call it an error.
    return " " not in query and len(query) <= PATH_CHARS_MAX and Path(query).is_file()


def _read(stream: BinaryIO, name: str) -> str:
    read = stream.read(STATEMENT_BYTES_MAX + 1)
    if len(read) > STATEMENT_BYTES_MAX:
        raise ClewError(ErrorCode.TOO_LARGE, f"{name} is larger than {STATEMENT_BYTES_MAX} bytes")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"{name} is not UTF-8", hint="SQL is text in UTF-8"
        ) from error


def _no_rows() -> ClewError:
    return ClewError(ErrorCode.NOT_FOUND, "the statement gave no rows")


def _no_tables() -> ClewError:
    return ClewError(ErrorCode.NOT_FOUND, "the server has no tables to read")
