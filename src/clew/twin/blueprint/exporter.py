"""`RegistryExporter`: a registry in the languages of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.twin.schema.codec import encode_registry

if TYPE_CHECKING:
    from clew.twin.blueprint.registry import Registry


class RegistryExporter:
    """Writes a registry as text in one format or another; each is of the registry as it is then."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def to_json(self) -> str:
        """Return the file of the registry."""
        return encode_registry(self._registry.to_schema()).decode()

    def to_typescript(self) -> str:
        """Return TypeScript types of every object and process."""
        from clew.twin.schema.typescript import to_typescript

        return to_typescript(self._registry.to_schema())

    def to_otel_config(self) -> str:
        """Return the configuration of an OpenTelemetry Collector."""
        from clew.twin.schema.collector import to_collector_config

        return to_collector_config(self._registry.to_schema())

    def to_clickhouse_schema(self) -> str:
        """Return statements that give a table a column for each indexed field."""
        from clew.twin.schema.clickhouse import to_clickhouse

        return to_clickhouse(self._registry.to_schema())
