"""OpenTelemetry, set up for one run: providers, exporters, the way out of each signal.

Imported by the first `init`, and not before: it brings the whole of OpenTelemetry with it.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from clew.sdk.exporters import LogOutlet, MetricOutlet, SpanOutlet, make_exporter
from clew.sdk.quiet import LOGGER_NAME, Complaint
from clew.sdk.records import RecordHandler
from clew.sdk.run import Run
from clew.sdk.tree import describe_app, otlp_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.sdk.run import Outlet

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"

logger = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True, slots=True)
class Wishes:
    """The arguments of `init`."""

    service_name: str | None
    endpoint: str | None
    attributes: Mapping[str, str | bool | int | float]
    wants_plain_logs: bool


def set_up(wishes: Wishes) -> Run:
    """Set up every signal that is wished and can be had; return the run."""
    endpoint = _endpoint(wishes.endpoint)
    resource = _resource(wishes)
    complaint = Complaint(endpoint)
    outlets: list[Outlet] = []
    # Events of objects are log records too, whether or not those of `logging` are wished.
    logs = _set_up_logs if wishes.wants_plain_logs else _set_up_events
    steps: list[tuple[str, Callable[[Any, Resource, Complaint], Outlet | None]]] = [
        ("traces", _set_up_traces),
        ("metrics", _set_up_metrics),
        ("logs", logs),
    ]
    for signal, step in steps:
        exporter = make_exporter(signal, endpoint)
        outlet = step(exporter, resource, complaint) if exporter is not None else None
        if outlet is not None:
            outlets.append(outlet)
    name = str(resource.attributes.get("service.name", ""))
    return Run(outlets, service_name=name, endpoint=endpoint)


def _set_up_traces(exporter: Any, resource: Resource, complaint: Complaint) -> Outlet:
    outlet = SpanOutlet(exporter, complaint)
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        # The end of the process is ours to bound; the provider's own hook waits half a minute.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    provider.add_span_processor(outlet)
    return outlet


def _set_up_metrics(exporter: Any, resource: Resource, complaint: Complaint) -> Outlet | None:
    if isinstance(metrics.get_meter_provider(), MeterProvider):
        logger.warning("a meter provider is set already; its metrics stay with its own readers")
        return None
    outlet = MetricOutlet(exporter, complaint)
    provider = MeterProvider([outlet.reader], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return outlet


def _set_up_logs(exporter: Any, resource: Resource, complaint: Complaint) -> Outlet:
    outlet = _set_up_events(exporter, resource, complaint)
    logging.getLogger().addHandler(RecordHandler(get_logger_provider()))
    return outlet


def _set_up_events(exporter: Any, resource: Resource, complaint: Complaint) -> Outlet:
    outlet = LogOutlet(exporter, complaint)
    provider = get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        set_logger_provider(provider)
    provider.add_log_record_processor(outlet)
    return outlet


def _endpoint(wished: str | None) -> str:
    """Return the base address to export to. The variables of single signals are the exporters'."""
    named = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or wished or os.environ.get("CLEW_SERVER")
    endpoint = named or otlp_endpoint() or DEFAULT_ENDPOINT
    return (endpoint if "://" in endpoint else f"http://{endpoint}").rstrip("/")


def _resource(wishes: Wishes) -> Resource:
    """Return what describes this process; the environment's word counts before the program's."""
    from_environment = Resource.create()
    attributes: dict[str, str | bool | int | float] = dict(wishes.attributes)
    attributes["service.name"] = wishes.service_name or _program_name()
    given = Resource(attributes).merge(_given_by_environment(from_environment))
    # Which app it is, nobody may overwrite: not even what a parent left in the environment.
    return from_environment.merge(given).merge(Resource(describe_app()))


def _given_by_environment(resource: Resource) -> Resource:
    """Return the attributes that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name."""
    text = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    names = {pair.partition("=")[0].strip() for pair in text.split(",")}
    if os.environ.get("OTEL_SERVICE_NAME"):
        names.add("service.name")
    return Resource({name: value for name, value in resource.attributes.items() if name in names})


def _program_name() -> str:
    name = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] else ""
    return name if name not in {"", "-c", "-m", "__main__"} else "python"
