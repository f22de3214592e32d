"""Rows to OTLP: the inverse of decoding, for what the API hands out and what `clew export` writes.

The messages hold the same records as the requests that brought the rows. They are grouped anew: by
equal resource, then scope, then metric, each group standing where its first row stood.
"""

from clew.telemetry.otlp.encode.logs import encode_logs
from clew.telemetry.otlp.encode.points import encode_metrics
from clew.telemetry.otlp.encode.spans import encode_spans, encode_traces_data

__all__ = ["encode_logs", "encode_metrics", "encode_spans", "encode_traces_data"]
