"""Which functions a statement of a user may call, as rules over the engine's own list.

The result is committed (`functions.py`), because a newer engine must not widen it unread. To
regenerate after reading what is new:

    python -m clew.store.engine.allowlist > src/clew/store/engine/functions.py
"""

# ruff: noqa: SIM905 - a list of words reads better as words

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

# What these do is computed from their arguments alone. Left out: AI (network), Dictionary and
# Embedded Dictionary (files, network), Encryption, Geo, Internal, Introspection, Machine Learning
# (models in files), Other (settings, names of the host, files), Time Series (keep state).
CATEGORIES: Final = frozenset(
    """Aggregate Functions,Arithmetic,Arrays,Bit,Bitmap,Comparison,Conditional,Dates and Times,
    Distance,Encoding,Financial,Hash,IP Address,JSON,Logical,Map,Mathematical,Null,Random Number,
    Rounding,String,String Replacement,String Search,String Splitting,Time Window,Tuple,
    Type Conversion,URL,UUID""".replace("\n    ", "").split(",")
)

# Members of those categories that read the process, keep state in it, fail on purpose, format
# through an output format, or make an aggregate's state out of bytes.
EXCLUDED: Final = frozenset(
    """aggThrow chdb estimateCompressionRatio flameGraph formatRow formatRowNoNewline fuzzBits
    generateSerialID generateSnowflakeID groupFormat kqlParameterCast naiveBayesNgrams reinterpret
    serverTimezone""".split()
)

# Harmless and useful members of the categories that are left out.
INCLUDED: Final = frozenset(
    """bar byteSize caseWithExpression countDigits formatReadableDecimalSize formatReadableQuantity
    formatReadableSize formatReadableTimeDelta getSubcolumn identity ignore isConstant
    isDecimalOverflow MACNumToString MACStringToNum MACStringToOUI materialize normalizeQuery
    normalizedQueryHash parseISO8601Duration parseReadableSize parseReadableSizeOrNull
    parseReadableSizeOrZero parseTimeDelta rowNumberInAllBlocks rowNumberInBlock toColumnTypeName
    toTypeName transform variantElement variantType visibleWidth""".split()
)

# The parser knows these without a function of that name behind them.
SPECIAL: Final = frozenset({"exists", "grouping", "lambda", "untuple"})

QUERY: Final = """
SELECT name, alias_to, categories, is_aggregate, case_insensitive, ifNull(higher_order, 0)
FROM system.functions WHERE origin = 'System' ORDER BY name
"""
_COMBINATORS = "SELECT name FROM system.aggregate_function_combinators WHERE NOT is_internal"


def select_allowed(rows: Collection[tuple[str, str, str, int, int, int]]) -> dict[str, set[str]]:
    """Return the sets of `functions.py` by name, from rows of the engine's list of functions."""
    allowed = {
        name
        for name, alias_to, categories, *_ in rows
        if not alias_to
        and name not in EXCLUDED
        and not name.startswith(("timeSeries", "__"))
        and (categories in CATEGORIES or name in INCLUDED)
    }
    callable_ = [row for row in rows if (row[1] or row[0]) in allowed]
    return {
        "EXACT": {row[0] for row in callable_ if not row[4]} | SPECIAL,
        "ANY_CASE": {row[0].lower() for row in callable_ if row[4]},
        "AGGREGATES": {row[0] for row in callable_ if row[3]},
        "HIGHER_ORDER": {row[0].lower() for row in rows if row[5]},
    }


def main() -> None:
    """Write `functions.py` for the embedded engine to standard output."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(dsn="chdb://memory")
    sets = select_allowed([tuple(row) for row in client.query(QUERY).result_rows])
    combinators = sorted((str(r[0]) for r in client.query(_COMBINATORS).result_rows), key=len)
    version = client.command("SELECT version()")
    client.close()
    write = sys.stdout.write
    write(f'"""Functions that a statement of a user may call (engine {version}).\n\n')
    write("Generated; do not edit:\n\n")
    write("    python -m clew.store.engine.allowlist > src/clew/store/engine/functions.py\n")
    write('"""\n\n# ruff: noqa: SIM905\n\n')
    write("from __future__ import annotations\n\nfrom typing import Final\n")
    for name, members in sets.items():
        text = textwrap.fill(
            " ".join(sorted(members)),
            96,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
        )
        write(f'\n{name}: Final = frozenset(\n    """\n{text}\n    """.split()\n)\n')
    text = textwrap.fill(" ".join(reversed(combinators)), 92, initial_indent="    ")
    write(f'\nCOMBINATORS: Final = tuple(\n    """\n{text}\n    """.split()\n)\n')


if __name__ == "__main__":
    main()
