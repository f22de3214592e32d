"""OTLP/JSON to protobuf and back, as the OTLP specification says.

It is protobuf's JSON mapping with OTLP's changes: ids are hexadecimal, enumerations are numbers,
and unknown members are ignored. Google's own mapping has base64 ids and is many times slower, so
this is a walk of our own over tables made from the message descriptors.
"""

from clew.telemetry.otlp.json_codec.format import format_message
from clew.telemetry.otlp.json_codec.parse import parse_request

__all__ = ["format_message", "parse_request"]
