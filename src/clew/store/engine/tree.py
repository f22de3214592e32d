"""The shapes a statement of a user may have: node types of the engine's parse tree, and their keys.

Closed on purpose: a node type or a key that is not listed is refused, so what a newer engine adds
to its language stays out until someone has read what it does. The lists are those of
``parseQueryToJSON``; ``tests/unit/test_guard.py`` holds the ordinary statements that need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Node = "Mapping[str, object]"

# Flags of the client's INTO OUTFILE; always there, and false unless `out_file` is there too.
_OUTFILE_FLAGS = "is_outfile_append is_outfile_truncate is_into_outfile_with_stdout"

_KEYS: Final[Mapping[str, str]] = {
    "ArrayJoin": "kind expression_list",
    "Asterisk": "transformers",
    "ColumnsApplyTransformer": "func_name lambda lambda_arg parameters column_name_prefix",
    "ColumnsExceptTransformer": "children pattern is_strict",
    "ColumnsListMatcher": "column_list transformers",
    "ColumnsRegexpMatcher": "pattern transformers",
    "ColumnsReplaceTransformer": "children is_strict",
    "ColumnsReplaceTransformerReplacement": "name children",
    "ColumnsTransformerList": "children",
    "ExpressionList": "children",
    "Function": (
        "name arguments parameters alias is_operator is_lambda_function is_window_function "
        "is_compound_name kind window_name window_definition nulls_action"
    ),
    "Identifier": "name name_parts alias",
    "InterpolateElement": "column expr",
    "Literal": "value alias",
    "OrderByElement": (
        "direction nulls_direction nulls_direction_was_explicitly_specified expression with_fill "
        "fill_from fill_to fill_step fill_staleness collation"
    ),
    "QualifiedAsterisk": "qualifier transformers",
    "QualifiedColumnsListMatcher": "qualifier column_list transformers",
    "QualifiedColumnsRegexpMatcher": "qualifier pattern transformers",
    "SampleRatio": "numerator denominator",
    "SelectQuery": (
        "with recursive_with distinct select tables prewhere where group_by group_by_all "
        "group_by_with_totals group_by_with_rollup group_by_with_cube "
        "group_by_with_grouping_sets having window qualify order_by order_by_all interpolate "
        "limit_by limit_by_length limit_by_offset limit_length limit_offset limit_with_ties "
        "cte_aliases"
    ),
    "SelectWithUnionQuery": f"union_mode list_of_modes list_of_selects {_OUTFILE_FLAGS}",
    "SelectIntersectExceptQuery": "children final_operator",
    "Subquery": "children alias cte_name",
    "TableExpression": (
        "database_and_table_name subquery table_function final sample_size sample_offset "
        "column_aliases"
    ),
    "TableIdentifier": "name name_parts alias",
    "TableJoin": "kind strictness locality on_expression using_expression_list is_natural",
    "TablesInSelectQuery": "children",
    "TablesInSelectQueryElement": "table_expression table_join array_join",
    "WindowDefinition": (
        "parent_window_name partition_by order_by frame_is_default frame_type frame_begin_type "
        "frame_begin_offset frame_begin_preceding frame_end_type frame_end_offset "
        "frame_end_preceding"
    ),
    "WindowListElement": "name definition",
    "WithElement": "name subquery aliases is_materialized",
}

ALLOWED_KEYS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset((*keys.split(), "type")) for kind, keys in _KEYS.items()
}
"""What a node of each allowed type may hold."""

WHAT_IT_IS: Final[Mapping[str, str]] = {
    "settings": "SETTINGS",
    "SetQuery": "SET",
    "format_ast": "FORMAT",
    "out_file": "INTO OUTFILE",
    "compression": "INTO OUTFILE",
    "QueryParameter": "a query parameter",
    "stream_settings": "STREAM",
}
"""What a refused key or node is called in SQL, where the two differ."""


def nodes(root: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield every node of a tree, the root first. Values inside literals are not nodes."""
    waiting: list[object] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            if "type" in item:
                yield item
            if item.get("type") != "Literal":
                waiting.extend(item.values())


def items(node: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """Return the children of the expression list under a key; empty when there is none."""
    below = node.get(key)
    children = below.get("children", []) if isinstance(below, dict) else []
    return [child for child in children if isinstance(child, dict)]


def kind_of(node: Mapping[str, object]) -> str:
    """Return the type of a node."""
    return str(node.get("type"))


def name_of(node: Mapping[str, object]) -> str:
    """Return the name of a function, identifier or element; empty when it has none."""
    name = node.get("name")
    return name if isinstance(name, str) else ""
