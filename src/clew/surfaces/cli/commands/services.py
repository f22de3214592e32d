"""`clew services` and `clew attributes`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from clew.surfaces.cli.completion import complete_attributes, complete_services
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, AttributeFlags, ServiceFlags, to_query
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.services import (
    key_table,
    operation_table,
    service_legend,
    service_table,
    value_table,
)
from clew.telemetry.query.parameters import AttributeQuery, OperationQuery, ServiceQuery

ServiceName = Annotated[
    str | None,
    Parameter(help="Show the operations of this service instead.", completer=complete_services),
]
AttributeKey = Annotated[
    str | None,
    Parameter(help="Show the values of this attribute instead.", completer=complete_attributes),
]


def services(
    service: ServiceName = None,
    /,
    *,
    flags: ServiceFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List services, or the operations of one."""
    session = Session(answer)
    if service is not None:
        return _operations(session, service, flags)
    query = to_query(flags, ServiceQuery)
    find = paged(session.client.list_services, query)
    listing = Listing(find(), "services", "service", service_table, find, legend=service_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "services", flags))


def _operations(session: Session, service: str, flags: ServiceFlags | None) -> ExitCode:
    query = to_query(flags, OperationQuery, service=service)
    find = paged(session.client.list_operations, query)
    listing = Listing(find(), "operations", "operation", operation_table, find)
    return session.show(listing, lambda: explain_nothing(session.client, "operations", query))


def attributes(
    key: AttributeKey = None,
    /,
    *,
    flags: AttributeFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List attribute keys, or the values of one."""
    session = Session(answer)
    query = to_query(flags, AttributeQuery)
    listing: Listing[Any]
    if key is None:
        keys = paged(session.client.list_attributes, query)
        listing = Listing(keys(), "attributes", "attribute", key_table, keys)
    else:
        values = paged(partial(session.client.list_attribute_values, key), query)
        listing = Listing(values(), "values", "value", value_table, values)
    return session.show(
        listing, lambda: explain_nothing(session.client, "attributes", flags, key=key)
    )
