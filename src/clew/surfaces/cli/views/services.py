"""Services, operations and attributes with their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import (
    Clock,
    escape,
    show_count,
    show_duration,
    show_number,
    show_percent,
    show_time,
)

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import (
        AttributeList,
        AttributeValueList,
        OperationList,
        OperationStats,
        ServiceList,
        ServiceStats,
    )

# One error in a hundred is worth a look; one in twenty, at once.
ERROR_RATE_NOTABLE: Final = 0.01
ERROR_RATE_ALARMING: Final = 0.05

_SERVICE_COLUMNS: Final = (
    Column("service", flexible=True),
    Column("spans", right=True),
    Column("traces", right=True, drop=4),
    Column("errors", right=True),
    Column("rate", right=True, drop=3),
    Column("avg", right=True, drop=5),
    Column("p50", right=True),
    Column("p95", right=True),
    Column("p99", right=True, drop=2),
    Column("logs", right=True, drop=1),
    Column("last seen", drop=6),
)

_OPERATION_COLUMNS: Final = (
    Column("service", flexible=True),
    Column("operation", flexible=True),
    Column("kind", drop=3),
    Column("spans", right=True),
    Column("errors", right=True),
    Column("avg", right=True, drop=2),
    Column("p50", right=True),
    Column("p95", right=True),
    Column("p99", right=True, drop=1),
)

_KEY_COLUMNS: Final = (
    Column("key", flexible=True),
    Column("place"),
    Column("count", right=True),
    Column("values", right=True),
)

_VALUE_COLUMNS: Final = (Column("value", flexible=True), Column("count", right=True))


def service_table(document: ServiceList, width: int) -> list[Line]:
    """Return services as lines."""
    clock = Clock(service.last_seen for service in document.services if service.last_seen)
    rows = [_service_row(service, clock) for service in document.services]
    return lay_out(_SERVICE_COLUMNS, rows, width)


def service_legend(document: ServiceList) -> str:
    """Return the time range of the figures."""
    return f"from {show_time(document.start_time)} to {show_time(document.end_time)}"


def operation_table(document: OperationList, width: int) -> list[Line]:
    """Return operations as lines."""
    rows = [_operation_row(operation) for operation in document.operations]
    return lay_out(_OPERATION_COLUMNS, rows, width)


def key_table(document: AttributeList, width: int) -> list[Line]:
    """Return attribute keys as lines."""
    rows = [
        [
            plain(escape(key.key)),
            styled(escape(key.place), Style.DIM),
            plain(show_count(key.count)),
            plain(show_count(key.values)),
        ]
        for key in document.attributes
    ]
    return lay_out(_KEY_COLUMNS, rows, width)


def value_table(document: AttributeValueList, width: int) -> list[Line]:
    """Return the values of an attribute as lines."""
    rows = [[plain(escape(each.value)), plain(show_count(each.count))] for each in document.values]
    return lay_out(_VALUE_COLUMNS, rows, width)


def error_share(rate: float) -> Line:
    """Return an error rate, in a colour that says whether to look."""
    if rate >= ERROR_RATE_ALARMING:
        return styled(show_percent(rate), Style.BOLD_RED)
    if rate >= ERROR_RATE_NOTABLE:
        return styled(show_percent(rate), Style.YELLOW)
    return styled(show_percent(rate), Style.PLAIN if rate else Style.DIM)


def _service_row(service: ServiceStats, clock: Clock) -> list[Line]:
    return [
        styled(escape(service.name), Style.CYAN),
        plain(show_count(service.span_count)),
        plain(show_count(service.trace_count)),
        error_share(service.error_rate),
        plain(f"{show_number(service.rate_per_second)}/s"),
        plain(show_duration(service.avg_duration_ms)),
        plain(show_duration(service.p50_ms)),
        plain(show_duration(service.p95_ms)),
        plain(show_duration(service.p99_ms)),
        plain(show_count(service.log_count)),
        styled(clock.show(service.last_seen, digits=0) if service.last_seen else "", Style.DIM),
    ]


def _operation_row(operation: OperationStats) -> list[Line]:
    return [
        styled(escape(operation.service), Style.CYAN),
        plain(escape(operation.operation)),
        styled(operation.kind, Style.DIM),
        plain(show_count(operation.span_count)),
        error_share(operation.error_rate),
        plain(show_duration(operation.avg_duration_ms)),
        plain(show_duration(operation.p50_ms)),
        plain(show_duration(operation.p95_ms)),
        plain(show_duration(operation.p99_ms)),
    ]
