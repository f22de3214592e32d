"""The configuration of an OpenTelemetry Collector that passes fingerprints on to clew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clew.twin import attributes

if TYPE_CHECKING:
    from clew.twin.schema.values import RegistrySchema


def to_collector_config(
    registry: RegistrySchema, *, endpoint: str = "http://127.0.0.1:4318"
) -> str:
    """Return the YAML of a Collector's configuration; `endpoint` is where clew takes OTLP/HTTP.

    Log records that name no object are dropped by it; clew checks the others against the registry.
    The limiter of memory stands first and the filter before the batch, as the Collector advises.
    """
    said = json.dumps
    names = (attributes.OBJ_ID, attributes.PROCESS_TYPE)
    drop = " and ".join(f'attributes["{name}"] == nil' for name in names)
    return f"""\
# Made by `clew registry export --format otel`. Do not edit.
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
      http:
        endpoint: 127.0.0.1:14318

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: 512
    spike_limit_mib: 128
  filter/fingerprints:
    error_mode: ignore
    logs:
      log_record:
        - {said(drop)}
  resource/registry:
    attributes:
      - key: trilog.registry.name
        value: {said(registry.name)}
        action: upsert
      - key: trilog.registry.version
        value: {said(registry.version)}
        action: upsert
      - key: {attributes.REGISTRY_CHECKSUM}
        value: {said(registry.checksum)}
        action: upsert
  batch:
    timeout: 1s
    send_batch_size: 1000
    send_batch_max_size: 2000

exporters:
  otlphttp/clew:
    endpoint: {said(endpoint)}
    retry_on_failure:
      initial_interval: 5s
      max_interval: 30s
      max_elapsed_time: 300s
    sending_queue:
      queue_size: 5000

extensions:
  health_check:
    endpoint: 127.0.0.1:13133

service:
  extensions: [health_check]
  pipelines:
    logs:
      receivers: [otlp]
      processors: [memory_limiter, filter/fingerprints, resource/registry, batch]
      exporters: [otlphttp/clew]
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlphttp/clew]
"""
