"""What language models were asked and used: the spans that report tokens, by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.red import span_condition
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

INPUT_KEYS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
OUTPUT_KEYS: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
MODEL_KEYS: Final = ("gen_ai.response.model", "gen_ai.request.model")
"""Today's name first, then the older one."""

_SQL: Final = """
SELECT model, count() AS calls, countIf(failed) AS errors,
  sum(input_tokens) AS input, sum(output_tokens) AS output,
  sum(calls) OVER () AS all_calls, sum(errors) OVER () AS all_errors,
  sum(input) OVER () AS all_input, sum(output) OVER () AS all_output, count() OVER () AS models
FROM @calls GROUP BY model ORDER BY input + output DESC, calls DESC, model
LIMIT {limit:UInt32}
"""


def _first(keys: tuple[str, ...]) -> str:
    texts = [f"SpanAttributes['{key}']" for key in keys]
    return f"if({texts[0]} != '', {texts[0]}, {texts[1]})"


_COLUMNS: Final = (
    f"{_first(MODEL_KEYS)} AS model",
    "StatusCode = 'Error' AS failed",
    f"toUInt64OrZero({_first(INPUT_KEYS)}) AS input_tokens",
    f"toUInt64OrZero({_first(OUTPUT_KEYS)}) AS output_tokens",
)

_REPORTS_TOKENS: Final = " OR ".join(
    f"has(mapKeys(SpanAttributes), '{key}')" for key in (*INPUT_KEYS, *OUTPUT_KEYS)
)


def read_genai_totals(
    store: Store, snapshot: Snapshot, window: Window, *, service: str | None, limit: int
) -> doc.GenAiTotals:
    """Return calls and tokens, in all and of the `limit` models with the most tokens."""
    where, parameters = span_condition(window, service)
    rows = store.engine.query(
        _SQL,
        snapshot=snapshot,
        scans={"calls": Scan(TRACES, _COLUMNS, f"{where} AND ({_REPORTS_TOKENS})")},
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    first = rows[0] if rows else dict.fromkeys(_TOTALS, 0)
    return doc.GenAiTotals(
        call_count=first["all_calls"],
        error_count=first["all_errors"],
        input_tokens=first["all_input"],
        output_tokens=first["all_output"],
        cost_usd=None,
        model_count=first["models"],
        models=[_model(row) for row in rows],
    )


_TOTALS: Final = ("all_calls", "all_errors", "all_input", "all_output", "models")


def _model(row: dict[str, Any]) -> doc.ModelUse:
    return doc.ModelUse(
        model=row["model"],
        call_count=row["calls"],
        error_count=row["errors"],
        input_tokens=row["input"],
        output_tokens=row["output"],
        cost_usd=None,
    )
