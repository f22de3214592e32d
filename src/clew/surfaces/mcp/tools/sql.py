"""SQL over the same rows, and the tables it may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.mcp.answers import TEXT_CHARS, Answer, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import Asked, Limit, TextChars, Tool, again, call
from clew.telemetry import documents as doc

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions


class SqlAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement."""

    query: Annotated[str, Meta(description="One SELECT in ClickHouse's dialect")]
    limit: Limit = 100
    text_chars: TextChars = TEXT_CHARS


class SqlToolAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Rows; `types` are those of the columns. `total` where the statement's end was reached."""

    rows: Table
    types: list[str]
    total: int | None = None
    at_least: int | None = None
    elapsed_ms: float


def _sql(questions: Questions, asked: SqlAsked) -> Draft:
    found: doc.SqlAnswer = questions.run_sql(asked.query, asked.limit)
    names = [column.name for column in found.columns]
    known = found.total if found.total is not None else found.at_least

    def write(items: int) -> SqlToolAnswer:
        rest = max((known or found.count) - items, int(found.truncated))
        left_out = []
        if rest:
            why = "more rows; better: aggregate, or LIMIT and OFFSET"
            changes: dict[str, Any] = {"max_tokens": 20_000, "limit": max(1000, asked.limit)}
            get = again("sql", why, asked, **changes)
            left_out.append(LeftOut(what="rows", count=rest, get=get))
        return SqlToolAnswer(
            rows=table(names, ([row.get(name) for name in names] for row in found.rows[:items])),
            types=[column.type for column in found.columns],
            total=found.total,
            at_least=found.at_least,
            elapsed_ms=found.elapsed_ms,
            left_out=left_out,
        )

    longer = {"limit": 1, "text_chars": 10 * asked.text_chars}
    return Draft(
        most=found.count,
        write=write,
        text_chars=max(1, asked.text_chars),
        full=again("sql", "fewer rows with longer texts", asked, **longer),
    )


class SchemaAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tables, or the columns of one."""

    table: Annotated[str | None, Meta(description="Its columns instead of the tables")] = None


class SchemaAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The tables that SQL may read with their number of columns, or the columns of one."""

    tables: Table | None = None
    columns: Table | None = None
    examples: list[str] = msgspec.field(default_factory=list)


def _sql_schema(questions: Questions, asked: SchemaAsked) -> Draft:
    found = questions.ask("/sql/schema", doc.SqlSchema)
    if asked.table is None:
        return Draft(most=len(found.tables), write=lambda items: _tables(asked, found, items))
    named = [each for each in found.tables if each.name == asked.table]
    if not named:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"SQL reads no table {asked.table[:80]!r}",
            hint=f"one of {', '.join(each.name for each in found.tables)}",
        )
    columns = named[0].columns

    def write(items: int) -> SchemaAnswer:
        rest = len(columns) - items
        get = again("sql_schema", "every column", asked, max_tokens=20_000)
        return SchemaAnswer(
            columns=table(
                ("name", "type", "comment"),
                ([each.name, each.type, each.comment] for each in columns[:items]),
            ),
            left_out=[LeftOut(what="columns", count=rest, get=get)] if rest else [],
            next=[call("sql", "its newest rows", query=_newest(named[0].name))],
        )

    return Draft(most=len(columns), write=write)


def _newest(name: str) -> str:
    # The name is one of the schema's own.
    return f"SELECT * FROM {name} LIMIT 3"  # noqa: S608


def _tables(asked: SchemaAsked, found: doc.SqlSchema, items: int) -> SchemaAnswer:
    rest = len(found.tables) - items
    get = again("sql_schema", "every table", asked, max_tokens=20_000)
    return SchemaAnswer(
        tables=table(
            ("name", "columns"), ([each.name, len(each.columns)] for each in found.tables[:items])
        ),
        examples=found.examples[:items],
        left_out=[LeftOut(what="tables", count=rest, get=get)] if rest else [],
        next=[
            call("sql_schema", "the columns of a table", table=each.name)
            for each in found.tables[:1]
        ],
    )


SQL = Tool(
    name="sql",
    title="SQL",
    description=(
        "One read-only SELECT (ClickHouse) over the same rows, for what no other tool answers. "
        "Columns: sql_schema. Aggregate rather than list."
    ),
    parameters=SqlAsked,
    answer=SqlToolAnswer,
    run=_sql,
    example={
        "query": "SELECT ServiceName, count() AS n FROM otel_traces GROUP BY 1 ORDER BY 2 DESC, 1"
    },
)
SQL_SCHEMA = Tool(
    name="sql_schema",
    title="Tables of SQL",
    description="The tables that SQL may read with examples; with `table`, its columns.",
    parameters=SchemaAsked,
    answer=SchemaAnswer,
    run=_sql_schema,
    example={"table": "otel_traces"},
)
