"""Query strings of lists and subscriptions: filters as a tree, to SQL, and against a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from clew.testing.trailbase.database import quoted
from clew.testing.trailbase.values import Refusal, SqlValue, from_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.testing.trailbase.values import Column

DEPTH_MAX: Final = 5
COLUMNS_MAX: Final = 5
"""Of an order."""

LIMIT_DEFAULT: Final = 50

OPERATORS: Final = {
    "$eq": "=",
    "$ne": "<>",
    "$gt": ">",
    "$gte": ">=",
    "$lt": "<",
    "$lte": "<=",
    "$is": "IS",
    "$like": "LIKE",
    "$re": "REGEXP",
}

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_KEY = re.compile(r"\[([^\]]*)\]")

Tree = dict[str, "Tree | str"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column against a value. `is_null` is for ``$is``, which has no other."""

    column: str
    operator: str
    value: SqlValue
    is_null: bool | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Several conditions, all of which hold, or one of them."""

    is_all: bool
    members: tuple[Comparison | Group, ...]


Filter = Comparison | Group


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for. `order` has columns and whether each goes down."""

    limit: int
    offset: int | None
    cursor: str | None
    is_counted: bool
    has_cursor: bool
    order: tuple[tuple[str, bool], ...]
    where: Filter | None


def parse_pairs(query: str) -> list[tuple[str, str]]:
    """Return the parameters of a query string in their order; empty ones are left out."""
    pairs = []
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if name and value:
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def parse_list(query: str, columns: Mapping[str, Column], limit_max: int) -> ListQuery:
    """Return what a list is asked for. Unknown parameters are passed over, as the server does.

    Raises:
        Refusal: 400.
    """
    pairs = parse_pairs(query)
    plain = dict(pairs)
    if "expand" in plain or "geojson" in plain:
        raise Refusal(400, "Invalid expansion")
    limit = _count(plain.get("limit"), LIMIT_DEFAULT)
    if limit > limit_max:
        raise Refusal(400, f"limit exceeds max: {limit_max}")
    return ListQuery(
        limit=limit,
        offset=_count(plain["offset"], 0) if "offset" in plain else None,
        cursor=plain.get("cursor"),
        is_counted=_truth(plain.get("count")),
        has_cursor=not _truth(plain.get("skip_cursor")),
        order=_order(plain.get("order")),
        where=parse_filter(pairs, columns),
    )


def parse_filter(pairs: list[tuple[str, str]], columns: Mapping[str, Column]) -> Filter | None:
    """Return the filter of parameters, None where there is none.

    Raises:
        Refusal: 400: a column that is unknown or hidden, an operator that is, too deep a nesting.
    """
    tree: Tree = {}
    for name, value in pairs:
        if name == "filter" or name.startswith("filter["):
            keys = _KEY.findall(name)
            if not keys or "".join(f"[{key}]" for key in keys) != name[len("filter") :]:
                raise Refusal(400, "Invalid query")
            _put(tree, keys, value)
    return _filter(tree, columns, 0) if tree else None


def to_sql(where: Filter | None, values: dict[str, SqlValue]) -> str:
    """Return the condition on ``_ROW_``; what it compares with goes into `values`."""
    match where:
        case None:
            return "TRUE"
        case Group(is_all, members):
            joined = (" AND " if is_all else " OR ").join(to_sql(one, values) for one in members)
            return f"({joined})"
        case Comparison(column, _, _, is_null=bool() as wants_null):
            return f"_ROW_.{quoted(column)} IS {'' if wants_null else 'NOT '}NULL"
        case Comparison(column, operator, value):
            name = f"__p{len(values)}"
            values[name] = value
            return f"_ROW_.{quoted(column)} {OPERATORS[operator]} :{name}"


def matches(where: Filter | None, row: Mapping[str, SqlValue]) -> bool:
    """Return whether a row passes a filter, as a subscription decides it."""
    match where:
        case None:
            return True
        case Group(is_all, members):
            return (all if is_all else any)(matches(one, row) for one in members)
        case Comparison(column, _, _, is_null=bool() as wants_null):
            return (row[column] is None) is wants_null
        case Comparison(column, operator, value):
            return _compares(operator, row[column], value)


def _compares(operator: str, ours: SqlValue, theirs: SqlValue) -> bool:
    if operator in {"$eq", "$ne"}:
        return (ours == theirs) is (operator == "$eq")
    if operator in {"$like", "$re"}:
        if not isinstance(ours, str) or not isinstance(theirs, str):
            return False
        if operator == "$re":
            return re.search(theirs, ours) is not None
        return re.fullmatch(_like(theirs), ours, re.IGNORECASE | re.DOTALL) is not None
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return _ordered(operator, (ours > theirs) - (ours < theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        return _ordered(operator, (ours > theirs) - (ours < theirs))
    if isinstance(ours, bytes) and isinstance(theirs, bytes):
        return _ordered(operator, (ours > theirs) - (ours < theirs))
    return False


def _ordered(operator: str, sign: int) -> bool:
    return {"$gt": sign > 0, "$gte": sign >= 0, "$lt": sign < 0, "$lte": sign <= 0}[operator]


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)


def _put(tree: Tree, keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        inner = tree.setdefault(key, {})
        if isinstance(inner, str):
            raise Refusal(400, "Invalid query")
        tree = inner
    tree[keys[-1]] = value


def _filter(tree: Tree, columns: Mapping[str, Column], depth: int) -> Filter:
    if depth >= DEPTH_MAX:
        raise Refusal(400, "Invalid query")
    members = [_entry(key, value, columns, depth) for key, value in tree.items()]
    return members[0] if len(members) == 1 else Group(is_all=True, members=tuple(members))


def _entry(key: str, value: Tree | str, columns: Mapping[str, Column], depth: int) -> Filter:
    if key in {"$and", "$or"}:
        return _combined(key, value, columns, depth)
    if key.startswith("_") or key not in columns:
        raise Refusal(400, "Invalid filter params")
    column = columns[key]
    if isinstance(value, str):
        return Comparison(key, "$eq", from_query(column, value))
    compared = [_comparison(column, operator, text) for operator, text in value.items()]
    return compared[0] if len(compared) == 1 else Group(is_all=True, members=tuple(compared))


def _combined(key: str, value: Tree | str, columns: Mapping[str, Column], depth: int) -> Filter:
    # The indices of the members: 0, 1, …; one member is none too few to be combined.
    if isinstance(value, str) or len(value) < 2 or not all(index.isdigit() for index in value):
        raise Refusal(400, "Invalid query")
    members = []
    for _, inner in sorted(value.items(), key=lambda item: int(item[0])):
        if isinstance(inner, str):
            raise Refusal(400, "Invalid query")
        members.append(_filter(inner, columns, depth + 1))
    return Group(is_all=key == "$and", members=tuple(members))


def _comparison(column: Column, operator: str, text: Tree | str) -> Comparison:
    if operator not in OPERATORS or not isinstance(text, str):
        raise Refusal(400, "Invalid query")
    if operator == "$is":
        if text not in {"NULL", "!NULL"}:
            raise Refusal(400, "Invalid query")
        return Comparison(column.name, operator, None, is_null=text == "NULL")
    return Comparison(column.name, operator, from_query(column, text))


def _order(text: str | None) -> tuple[tuple[str, bool], ...]:
    if text is None:
        return ()
    found = []
    for piece in text.split(","):
        # A plus that was not encoded arrives as a space, which means the same.
        name = piece.strip()
        bare = name[1:] if name[:1] in {"-", "+"} else name
        if not _NAME.fullmatch(bare):
            raise Refusal(400, "Invalid query")
        found.append((bare, name.startswith("-")))
    if len(found) > COLUMNS_MAX:
        raise Refusal(400, "Invalid query")
    return tuple(found)


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit():
        raise Refusal(400, "Invalid query")
    return int(text)


def _truth(text: str | None) -> bool:
    if text is None:
        return False
    if text.lower() in {"true", "1"}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    raise Refusal(400, "Invalid query")
