"""How large a registry, a field and a value may be. Registries and values come from strangers."""

from __future__ import annotations

from typing import Final

REGISTRY_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a registry as a file: 256 types of 64 documented fields take less than 2 MiB."""

TYPES_MAX: Final = 1000
"""Objects and processes together; a large system names some hundred."""

FIELDS_MAX: Final = 1000
"""Of one type, those inside dictionaries and lists counted. Wider tables exist, unread."""

SCHEMA_DEPTH_MAX: Final = 8
"""Lists of dictionaries of lists…: deeper than this nobody follows a path by eye."""

VALUE_DEPTH_MAX: Final = 32
"""Of a value: half of what the parsers that read it again allow."""

NAME_CHARS_MAX: Final = 128
"""Of a type, a prefix, a field or a phase: what still fits a line of a table."""

PHASES_MAX: Final = 200
"""Of one process. Each may have a transition to each, so this bounds a square."""

RENAMES_MAX: Final = 16
"""Former names of one field: one for each of many years."""

CHOICES_MAX: Final = 1000
"""Of one field; a longer list is a table of its own."""

INVARIANTS_MAX: Final = 100
"""Of one type: they are checked on every change."""

PATTERN_CHARS_MAX: Final = 256
"""Of a regular expression: longer ones are programs."""

PATTERNS_MAX: Final = 1000
"""Of one registry. Each may take two milliseconds to compile, and all are when it is checked."""

PATTERN_STATES_MAX: Final = 1000
"""Of the automaton that a pattern becomes; ``\\d{1,200}`` has four hundred."""

PATTERN_TEXT_CHARS_MAX: Final = 4096
"""Of a text that a pattern is held against. The worst pattern on the worst text of that length
takes a second; without this bound who can write both could keep a server busy."""

EXPRESSION_CHARS_MAX: Final = 500
"""Of the condition of an invariant: a few comparisons."""

NUMBER_CHARS_MAX: Final = 400
"""Of a number as text: the longest double written out has 325 digits."""

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
"""Attributes of OpenTelemetry have 64 bits, with a sign."""

PRECISION_MAX: Final = 15
"""Decimal digits that every double keeps."""

PROBLEMS_MAX: Final = 50
"""Told of one registry; who has more mends these first."""
