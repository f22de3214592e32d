"""How much one request may ask for and get."""

from __future__ import annotations

from typing import Final

TRACES_DEFAULT: Final = 100
"""What a search gives when it does not say how many: Jaeger's own default."""

TRACES_MAX: Final = 1500
"""Traces of one search: the most that Jaeger's UI lets its users ask for."""

SPANS_MAX: Final = 50_000
"""Spans of one JSON answer: the largest trace that is laid out whole, about 100 MB of JSON."""

QUERY_BYTES_MAX: Final = 48 << 10
"""The longest query string: three quarters of what a request's head may be."""

PARAMETERS_MAX: Final = 256
"""Pairs in one query string: a search has a dozen."""

BODY_BYTES_MAX: Final = 1 << 20
"""The largest body of a search: what the engine takes of a filter is far less."""

FILE_BYTES_MAX: Final = 32 << 20
"""The largest file of spans to be shown: that many spans fill an answer."""
