"""What validation finds: issues with a code and a severity."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from clew.base.times import format_time


class Severity(StrEnum):
    """How bad an issue is. An error makes an event invalid."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class IssueCode(StrEnum):
    """What is wrong with an event."""

    MISSING_OBJ_ID = "MISSING_OBJ_ID"
    MISSING_OBJ_TYPE = "MISSING_OBJ_TYPE"
    UNKNOWN_ATTRIBUTE = "UNKNOWN_ATTRIBUTE"
    UNKNOWN_OBJECT_TYPE = "UNKNOWN_OBJECT_TYPE"
    UNKNOWN_PHASE = "UNKNOWN_PHASE"
    INVALID_VALUE = "INVALID_VALUE"
    MISSING_REQUIRED_FIELD = "MISSING_REQUIRED_FIELD"
    WRONG_PREFIX = "WRONG_PREFIX"
    BAD_TIMESTAMP = "BAD_TIMESTAMP"
    DANGLING_REFERENCE = "DANGLING_REFERENCE"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong. `expected` and `actual` are texts for a person, or empty."""

    severity: Severity
    code: IssueCode
    message: str
    attribute: str = ""
    expected: str = ""
    actual: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as a JSON value."""
        return {key: str(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What was found of one event; true when it is valid. `validated_at` is Unix nanoseconds."""

    issues: tuple[Issue, ...] = ()
    validated_at: int = field(default_factory=time.time_ns)

    @property
    def valid(self) -> bool:
        """Whether there is no error among the issues."""
        return not any(each.severity is Severity.ERROR for each in self.issues)

    def __bool__(self) -> bool:
        return self.valid

    @property
    def errors(self) -> list[Issue]:
        """The issues that make it invalid."""
        return [each for each in self.issues if each.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Issue]:
        """The issues that are worth a look."""
        return [each for each in self.issues if each.severity is Severity.WARNING]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return {
            "valid": self.valid,
            "issues": [each.to_dict() for each in self.issues],
            "validated_at": format_time(self.validated_at),
        }
