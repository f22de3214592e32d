"""`BatchValidator`: many events, and how many were valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.twin.validation.issues import ValidationResult
    from clew.twin.validation.validator import LogValidator


@dataclass(slots=True)
class BatchStats:
    """What a batch validator has seen so far."""

    total: int = 0
    valid: int = 0
    invalid: int = 0
    errors: int = 0
    warnings: int = 0

    def add(self, result: ValidationResult) -> None:
        """Count one result."""
        self.total += 1
        self.valid += result.valid
        self.invalid += not result.valid
        self.errors += len(result.errors)
        self.warnings += len(result.warnings)


class BatchValidator:
    """Checks events in batches and counts them; not for several threads at once."""

    def __init__(self, validator: LogValidator) -> None:
        self._validator = validator
        self.stats = BatchStats()

    def validate(self, events: Iterable[Mapping[str, Any]]) -> list[ValidationResult]:
        """Return what is wrong with each event, in order."""
        results = [self._validator.validate(each) for each in events]
        for result in results:
            self.stats.add(result)
        return results
