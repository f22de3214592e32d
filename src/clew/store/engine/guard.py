"""What a user may ask in SQL, decided on the parse tree of the engine itself.

Theory of operation. The engine's settings and grants stop most of what a hostile statement can try,
but not all: the scalar function `file` reads any file in a read-only session, and `INTO OUTFILE`
writes one. So the statement is parsed first, by the engine (another parser disagrees somewhere, and
that somewhere is the hole), formatted back to one canonical text, and that text is parsed again
and checked node by node against closed lists: kinds of nodes, tables, table functions, functions.
The text that was checked, character by character, is the text that runs. What this guard lets
through still meets a read-only session with limits, and grants without sources.
See docs/internals/sql-guard.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.functions import AGGREGATES, ANY_CASE, COMBINATORS, EXACT, HIGHER_ORDER
from clew.store.engine.tree import ALLOWED_KEYS, WHAT_IT_IS, items, kind_of, name_of, nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

STATEMENT_BYTES_MAX: Final = 64 * 1024
"""A long hand-written statement has a few kilobytes; a parse tree is some forty times its text."""

TABLE_FUNCTIONS: Final = frozenset({"numbers"})
"""Row sources besides tables. Others read files, the network, other tables, or repeat for ever."""

PARAMETER: Final = "QueryParameter"

EXPLAIN_KINDS: Final = frozenset({"EXPLAIN", "EXPLAIN PIPELINE"})
EXPLAIN_SETTINGS: Final = frozenset({"actions", "description", "header", "indexes", "sorting"})

_MEMBERSHIP = re.compile(r"^(global)?(not)?(null)?in(ignoreset)?$", re.IGNORECASE)
_CAST = re.compile(r"^(accurate)?cast", re.IGNORECASE)
# A state of an aggregate function, made from bytes of the user's choice, would be read by code
# that trusts it.
_STATE_TYPE = re.compile(r"AggregateFunction", re.IGNORECASE)
_EXPLAIN_KEYS = frozenset(
    {
        "type",
        "kind",
        "query",
        "settings",
        "is_outfile_append",
        "is_outfile_truncate",
        "is_into_outfile_with_stdout",
    }
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What statements are checked against.

    `functions_known` are the lower-case names of every function of the running engine: a name that
    is given where a function may be given is refused when it is one of these and not allowed.
    """

    database: str
    tables: frozenset[str]
    functions_known: frozenset[str]
    has_parameters: bool = False
    """Whether values may be bound: another server's scans have them, a user's statement has not."""
    more: frozenset[str] = frozenset()
    """Functions that are allowed besides."""


def check(tree: Mapping[str, object], rules: Rules, *, output_format: str | None = None) -> None:
    """Refuse a parse tree unless all of it is allowed.

    `output_format` is the FORMAT that our own code appended, which must then be there.

    Raises:
        ClewError: FORBIDDEN; the message names what is not allowed.
    """
    select = _select_of(dict(tree), output_format)
    names = _names_of(select)
    for node in nodes(select):
        if rules.has_parameters and kind_of(node) == PARAMETER:
            _check_parameter(node)
            continue
        _check_shape(node)
        match kind_of(node):
            case "TableExpression":
                _check_source(node)
            case "TableIdentifier":
                _check_table(node, rules, names)
            case "Function":
                _check_function(node, rules, names)
            case "ColumnsApplyTransformer":
                _check_apply(node)


def is_explain(tree: Mapping[str, object]) -> bool:
    """Return whether a statement asks how a query would run, not for its rows."""
    return kind_of(tree) == "ExplainQuery"


def is_allowed(function: str) -> bool:
    """Return whether a function may be called, aggregate combinators (``sumIf``) included."""
    if function in EXACT or function.lower() in ANY_CASE:
        return True
    while (suffix := next((c for c in COMBINATORS if function.endswith(c)), None)) is not None:
        function = function.removesuffix(suffix)
        if function in AGGREGATES or function.lower() in ANY_CASE & _AGGREGATES_LOWER:
            return True
    return False


def is_aggregate(function: str) -> bool:
    """Return whether a function puts rows together, aggregate combinators included."""
    while True:
        if function.lower() in _AGGREGATES_LOWER:
            return True
        suffix = next((c for c in COMBINATORS if function.endswith(c)), None)
        if suffix is None:
            return False
        function = function.removesuffix(suffix)


_AGGREGATES_LOWER = frozenset(name.lower() for name in AGGREGATES)


def refused(what: str) -> ClewError:
    """Return the error for something a statement may not contain."""
    return ClewError(
        ErrorCode.FORBIDDEN,
        f"{what} is not allowed",
        hint="send one SELECT over the telemetry tables; `clew sql --schema` lists them",
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """What a statement names itself: common table expressions, and aliases of identifiers."""

    tables: frozenset[str]
    aliases: frozenset[str]
    identifiers: Mapping[str, frozenset[str]]


def _select_of(tree: dict[str, object], output_format: str | None) -> Mapping[str, object]:
    """Return the SELECT of a statement, without the parts at its top that were looked at here."""
    if is_explain(tree):
        tree = _explained(tree)
    if kind_of(tree) != "SelectWithUnionQuery":
        raise refused(_readable_kind(kind_of(tree)))
    output = tree.pop("format_ast", None)
    asked = name_of(output) if isinstance(output, dict) else None
    if asked != output_format:
        raise refused("FORMAT")
    return tree


def _explained(tree: dict[str, object]) -> dict[str, object]:
    kind = str(tree.get("kind"))
    query = tree.get("query")
    if kind not in EXPLAIN_KINDS or not isinstance(query, dict):
        raise refused(kind)
    settings = tree.get("settings")
    changes = settings.get("changes", []) if isinstance(settings, dict) else []
    unknown = tree.keys() - _EXPLAIN_KEYS - {"format_ast"}
    if unknown or any(c.get("name") not in EXPLAIN_SETTINGS for c in changes):
        raise refused(f"this form of {kind}")
    inner = dict(query)
    # Depending on the kind, the FORMAT at the end is the outer statement's or the inner one's.
    if "format_ast" in tree:
        inner["format_ast"] = tree["format_ast"]
    return inner


def _names_of(select: Mapping[str, object]) -> _Names:
    tables: set[str] = set()
    aliases: set[str] = set()
    identifiers: dict[str, set[str]] = {}
    for node in nodes(select):
        if kind_of(node) == "WithElement":
            tables.add(name_of(node))
        alias = node.get("alias")
        if isinstance(alias, str):
            aliases.add(alias)
            if kind_of(node) == "Identifier":
                identifiers.setdefault(alias, set()).add(name_of(node))
    frozen = {alias: frozenset(names) for alias, names in identifiers.items()}
    return _Names(frozenset(tables), frozenset(aliases), frozen)


def _check_shape(node: Mapping[str, object]) -> None:
    kind = kind_of(node)
    allowed = ALLOWED_KEYS.get(kind)
    if allowed is None:
        raise refused(_readable_kind(kind))
    for key in node.keys() - allowed:
        raise refused(WHAT_IT_IS.get(key, key))


def _check_parameter(node: Mapping[str, object]) -> None:
    if _STATE_TYPE.search(str(node.get("param_type"))):
        raise refused("a parameter of that type")


def _check_source(node: Mapping[str, object]) -> None:
    function = node.get("table_function")
    if isinstance(function, dict) and name_of(function) not in TABLE_FUNCTIONS:
        raise refused(f"the table function {name_of(function)}")


def _check_table(node: Mapping[str, object], rules: Rules, names: _Names) -> None:
    if not _is_readable_table(node, rules, names):
        raise refused(f"the table {name_of(node)}")


def _is_readable_table(node: Mapping[str, object], rules: Rules, names: _Names) -> bool:
    parts = node.get("name_parts", [name_of(node)])
    match parts:
        case [str(table)]:
            return table in rules.tables or table in names.tables
        case [str(database), str(table)]:
            return database == rules.database and table in rules.tables
    return False


def _check_function(node: Mapping[str, object], rules: Rules, names: _Names) -> None:
    name = name_of(node)
    if node.get("kind", "LAMBDA_FUNCTION") not in {"LAMBDA_FUNCTION", "WINDOW_FUNCTION"}:
        raise refused(f"this use of {name}")
    if not (is_allowed(name) or name in TABLE_FUNCTIONS or name in rules.more):
        raise refused(f"the function {name}")
    arguments = items(node, "arguments")
    if _MEMBERSHIP.match(name):
        _check_set(arguments, rules, names)
    if name.lower() in HIGHER_ORDER:
        for argument in arguments:
            _check_function_name(argument, rules, names)
    if name.lower().startswith("arrayreduce"):
        _check_reducer(arguments)
    if _CAST.match(name):
        _check_cast(arguments)


def _check_set(arguments: list[Mapping[str, object]], rules: Rules, names: _Names) -> None:
    """The right side of IN may be a table's name, which the parser shows as a plain identifier."""
    for argument in arguments[1:]:
        if kind_of(argument) != "Identifier" or name_of(argument) in names.aliases:
            continue
        if not _is_readable_table(argument, rules, names):
            raise refused(f"{name_of(argument)} on the right side of IN")


def _check_function_name(argument: Mapping[str, object], rules: Rules, names: _Names) -> None:
    """``arrayMap(file, paths)`` calls a function that stands there as a plain identifier."""
    if kind_of(argument) != "Identifier":
        return
    waiting, seen = {name_of(argument)}, set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= names.identifiers.get(name, frozenset()) - seen
        if name.lower() in rules.functions_known and not is_allowed(name):
            raise refused(f"the function {name}")


def _check_reducer(arguments: list[Mapping[str, object]]) -> None:
    """``arrayReduce('sum', …)`` names its function in a text."""
    name = _text_of(arguments[0]) if arguments else None
    if name is None or not is_allowed(name.partition("(")[0].strip()):
        raise refused(f"arrayReduce with {'a computed name' if name is None else name}")


def _check_cast(arguments: list[Mapping[str, object]]) -> None:
    """The type of a cast stands there as a text, which must not be computed."""
    kind = _text_of(arguments[1]) if len(arguments) > 1 else None
    if kind is None or _STATE_TYPE.search(kind):
        raise refused("a cast to a computed type" if kind is None else f"a cast to {kind}")


def _text_of(node: Mapping[str, object]) -> str | None:
    value = node.get("value")
    text = value.get("value") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _check_apply(node: Mapping[str, object]) -> None:
    name = node.get("func_name")
    if name is not None and not (isinstance(name, str) and is_allowed(name)):
        raise refused(f"the function {name}")


def _readable_kind(kind: str) -> str:
    """Return ``SHOW TABLES`` for ``ShowTablesQuery``."""
    if kind in WHAT_IT_IS:
        return WHAT_IT_IS[kind]
    words = re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", kind.removesuffix("Query"))
    return " ".join(words).upper() or "this statement"
