"""The reference decoder: pure Python on protobuf's own parser, written to be read.

It is the oracle that the native decoder is held to, and what runs where the native one is missing.
"""

from clew.telemetry.otlp.reference.decoder import ReferenceDecoder

__all__ = ["ReferenceDecoder"]
