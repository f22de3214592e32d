"""SQL of users over shards: what a statement reads is gathered here, and the statement runs on it.

Theory of operation. A statement that names tables may do anything with them, so the one way that is
always right is to have their rows here. Only the columns that it names are gathered, and as few
rows as its own text allows: the condition of a plain SELECT over one table goes to the shards, and
so do its order and limit where no row but those can count. How much that may be is bounded; what is
more is refused, and the hint says what would narrow it.

What goes to the shards is cut out of the engine's own spelling of the statement, and is believed
only if the engine reads it alone as the very tree that it has in the statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Scan
from clew.store.engine.guard import is_aggregate, is_explain
from clew.store.engine.scan import hot_columns
from clew.store.engine.tree import kind_of, name_of, nodes
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from clew.store.table import Table

    Tree = Mapping[str, Any]
    Parse = Callable[[Sequence[str]], list[tuple[dict[str, Any], str]]]

_CLAUSES: Final = (
    "WITH",
    "SELECT",
    "FROM",
    "PREWHERE",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "WINDOW",
    "QUALIFY",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "SETTINGS",
    "FORMAT",
)
_CLAUSE = re.compile(rf"\b(?:{'|'.join(_CLAUSES)})\b")
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_COUNT_ALL = re.compile(r"\bcount\(\*\)", re.IGNORECASE)

_STARS: Final = frozenset(
    {
        "Asterisk",
        "QualifiedAsterisk",
        "ColumnsListMatcher",
        "ColumnsRegexpMatcher",
        "QualifiedColumnsListMatcher",
        "QualifiedColumnsRegexpMatcher",
    }
)

_NOT_BY_ROW: Final = frozenset(
    {"arrayJoin", "rowNumberInAllBlocks", "rowNumberInBlock", "neighbor"}
)

_BY_CHANCE: Final = re.compile(r"^(rand|generate|array\w*(shuffle|sample))", re.IGNORECASE)
"""Functions that say another thing each time: a condition is asked at the shards and once more
here, and one row in ten would become one in a hundred."""

# What a SELECT may have and still give each row of the table for itself.
_PLAIN_KEYS: Final = frozenset(
    {"type", "select", "tables", "where", "order_by", "limit_length", "limit_offset"}
)

# What an element of ORDER BY may have and still order rows that are there, and do no more.
_PLAIN_ORDER_KEYS: Final = frozenset({"type", "direction", "nulls_direction", "expression"})


def scans_of(tree: Tree, text: str, tables: Mapping[str, Table], parse: Parse) -> dict[str, Scan]:
    """Return what a statement reads of which tables, by name of the table.

    `tree` and `text` are the engine's parse tree of the statement and its spelling.
    """
    if is_explain(tree):
        return {}
    named = {table for table in _tables_of(tree) if table in tables}
    has_star = any(kind_of(node) in _STARS for node in nodes(tree))
    has_star = has_star and "*" in _COUNT_ALL.sub("", text)
    scans = {}
    for name in sorted(named):
        table = tables[name]
        columns = tuple(c.name for c in table.columns) if has_star else _columns_of(table, text)
        scans[name] = Scan(table, tuple(f"`{column}`" for column in columns))
    if len(scans) == 1:
        ((name, scan),) = scans.items()
        scans[name] = _narrowed(scan, tree, text, parse)
    return scans


def without_database(
    tree: Tree, text: str, database: str, tables: Collection[str], parse: Parse
) -> str:
    """Return a statement that names these tables without the database that they are in.

    `tree` and `text` are as for `scans_of`. Tables of a session are in no database, so one that is
    named with it would be read where it has no rows.

    Raises:
        ClewError: INVALID_ARGUMENT where a name would mean something else without it.
    """
    bare = _without_database(tree, database, tables)
    if bare == tree:
        return text
    known = "|".join(map(re.escape, tables))
    named = re.compile(rf"(?<![\w.]){re.escape(database)}\.(?=(?:{known})\b)")
    written = rewritten(named, "", text)
    taken = {name_of(node) for node in nodes(tree) if kind_of(node) == "WithElement"}
    if taken & set(tables) or parse([written])[0][0] != bare:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"over shards a name of this statement that begins with {database}. is not understood",
            hint=f"name tables without {database}., and nothing else as a table is named",
        )
    return written


def _without_database(part: Any, database: str, tables: Collection[str]) -> Any:
    """Return a part of a tree in which no name of these tables says its database."""
    if isinstance(part, list):
        return [_without_database(each, database, tables) for each in part]
    if not isinstance(part, dict) or part.get("type") == "Literal":
        return part
    bare = {name: _without_database(each, database, tables) for name, each in part.items()}
    match part.get("name_parts"):
        case [str(first), str(second), *rest] if first == database and second in tables:
            bare["name"] = ".".join((second, *rest))
            bare["name_parts"] = [second, *rest]
            if not rest:
                del bare["name_parts"]
    return bare


def rewritten(pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str) -> str:
    """Put something else for what a pattern finds in a text of SQL, but not within quotes."""
    written: list[str] = []
    begin = 0
    for quoted in _QUOTED.finditer(text):
        written += (pattern.sub(by, text[begin : quoted.start()]), quoted[0])
        begin = quoted.end()
    return "".join((*written, pattern.sub(by, text[begin:])))


def _tables_of(tree: Tree) -> Iterator[str]:
    """Yield the name of everything that stands where a table may stand."""
    for node in nodes(tree):
        if kind_of(node) == "TableIdentifier":
            yield name_of(node).rpartition(".")[2]
        elif kind_of(node) == "Identifier":
            # On the right side of IN a table looks like any name.
            yield name_of(node).rpartition(".")[2]


def _columns_of(table: Table, text: str) -> tuple[str, ...]:
    """Return the inserted columns that a text may need, computed ones by what they are made of."""
    return hot_columns(Scan(table, (text,)))


def _narrowed(scan: Scan, tree: Tree, text: str, parse: Parse) -> Scan:
    """Return a scan of as few rows as a plain SELECT over this one table lets tell."""
    select = _only_select(tree)
    if select is None or not _reads_one_table(select):
        return scan
    known = _names_known(scan.table)
    aliases = {str(node["alias"]) for node in nodes(tree) if isinstance(node.get("alias"), str)}
    where = "1"
    if "where" in select:
        cut = _cut_out(text, "WHERE")
        sound = cut is not None and _is_of_columns(select["where"], known, aliases)
        if cut is None or not sound or not _reads_as(parse, cut, select["where"]):
            return scan
        where = cut
    narrowed = Scan(scan.table, scan.columns, where)
    limit = _limit_of(select)
    if limit is None or select.keys() - _PLAIN_KEYS or _aggregates(select):
        return narrowed
    if "order_by" not in select:
        return Scan(scan.table, scan.columns, where, limit=limit)
    order = _cut_out(text, "ORDER BY")
    if order is None or not _is_of_columns(select["order_by"], known, aliases):
        return narrowed
    if not _orders_by_values(select["order_by"]):
        return narrowed
    parsed, _ = parse([f"SELECT 1 ORDER BY {order}"])[0]
    alone = _only_select(parsed)
    if alone is None or alone.get("order_by") != select["order_by"]:
        return narrowed
    return Scan(scan.table, scan.columns, where, order_by=order, limit=limit)


def _only_select(tree: Tree) -> Tree | None:
    listed = tree.get("list_of_selects")
    selects = listed.get("children", []) if isinstance(listed, dict) else []
    if len(selects) != 1 or kind_of(selects[0]) != "SelectQuery":
        return None
    select: Tree = selects[0]
    return select


def _reads_one_table(select: Tree) -> bool:
    """Whether a SELECT has one table, no join, no subquery anywhere, and no names of its own."""
    kinds = [kind_of(node) for node in nodes(select)]
    return (
        kinds.count("TableExpression") == 1
        and kinds.count("TableIdentifier") == 1
        and not {"TableJoin", "ArrayJoin", "Subquery", "WithElement"} & set(kinds)
        and "with" not in select
        and "prewhere" not in select
    )


def _names_known(table: Table) -> frozenset[str]:
    return frozenset(
        (
            *(column.name for column in table.columns),
            *(column.name for column in table.materialized),
            *(alias.name for alias in table.aliases),
            *(definition.partition(" ")[0] for definition in table.derived),
        )
    )


def _is_of_columns(part: object, known: frozenset[str], aliases: set[str]) -> bool:
    """Whether every name in a part of a tree is that of a column, and nothing else's."""
    if not isinstance(part, dict):
        return False
    for node in nodes(part):
        if kind_of(node) == "Identifier" and (
            name_of(node) not in known or name_of(node) in aliases
        ):
            return False
        if isinstance(node.get("alias"), str):
            return False
    return not _aggregates(part)


def _orders_by_values(order: Tree) -> bool:
    """Whether an order is by values of the row alone, and gives no rows of its own.

    A number is the place of a column in the SELECT, which a scan does not have there. What is made
    of a frame is another thing at the shard than here, where frames are in the order of the tier.
    """
    for element in order.get("children", []):
        names = {name_of(node) for node in nodes(element) if kind_of(node) == "Identifier"}
        is_frame = kind_of(element.get("expression", {})) == "Identifier"
        if not names or (FRAME in names and not is_frame) or element.keys() - _PLAIN_ORDER_KEYS:
            return False
    return True


def _aggregates(part: Tree) -> bool:
    """Whether a part of a tree puts rows together, or says of one what does not follow from it."""
    for node in nodes(part):
        if kind_of(node) != "Function":
            continue
        if node.get("kind") == "WINDOW_FUNCTION" or node.get("is_window_function"):
            return True
        name = name_of(node)
        if is_aggregate(name) or name in _NOT_BY_ROW or _BY_CHANCE.match(name):
            return True
    return False


def _limit_of(select: Tree) -> int | None:
    """Return how many rows are enough, None where that is not said in numbers."""
    total = 0
    for key in ("limit_length", "limit_offset"):
        if key not in select:
            if key == "limit_length":
                return None
            continue
        value = select[key].get("value")
        number = value.get("value") if isinstance(value, dict) else None
        if not isinstance(number, int) or number < 0:
            return None
        total += number
    return total


def _cut_out(text: str, clause: str) -> str | None:
    """Return what a clause of a statement says, None where that is not to be told."""
    # What is quoted or in brackets is blanked, letter for letter, so that places stay.
    bare = _QUOTED.sub(lambda match: "x" * len(match[0]), text)
    flat = list(bare)
    depth = 0
    for place, letter in enumerate(bare):
        if letter in "([{":
            depth += 1
        if depth:
            flat[place] = "x"
        if letter in ")]}":
            depth -= 1
    marks = list(_CLAUSE.finditer("".join(flat)))
    for number, mark in enumerate(marks):
        if mark[0] == clause:
            end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
            return text[mark.end() : end].strip()
    return None


def _reads_as(parse: Parse, cut: str, part: object) -> bool:
    parsed, _ = parse([f"SELECT 1 WHERE {cut}"])[0]
    alone = _only_select(parsed)
    return alone is not None and alone.get("where") == part
