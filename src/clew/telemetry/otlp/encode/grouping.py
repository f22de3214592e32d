"""Rows under their resource and scope, each written once, in the order of their first row."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.common.v1 import common_pb2

from clew.telemetry.otlp.encode.attributes import attributes_identity, fill_attributes

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from clew.telemetry.otlp.encode.attributes import Pairs


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource and scope of one row."""

    resource: Pairs
    resource_url: str
    scope_name: str
    scope_version: str
    scope: Pairs
    scope_dropped: int
    scope_url: str
    residue: Mapping[str, Any]

    def resource_identity(self) -> Hashable:
        """Return a value that is equal for equal resources."""
        return (
            attributes_identity(self.resource, self.residue.get("resource")),
            self.residue.get("resource_dropped", 0),
            tuple(self.residue.get("entity_refs", ())),
            self.resource_url,
        )

    def scope_identity(self) -> Hashable:
        """Return a value that is equal for equal scopes under one resource."""
        return (
            self.scope_name,
            self.scope_version,
            attributes_identity(self.scope, self.residue.get("scope")),
            self.scope_dropped,
            self.scope_url,
        )


@dataclass(slots=True)
class Grouping:
    """Finds or makes the ``Scope*`` message of a row.

    `resources` is the request's repeated field, `scopes` the name of the repeated field below it.
    """

    resources: Any
    scopes: str
    _resource_messages: dict[Hashable, Any] = field(default_factory=dict)
    _scope_messages: dict[tuple[Hashable, Hashable], Any] = field(default_factory=dict)

    def scope_of(self, origin: Origin) -> Any:
        """Return the message that the row's record belongs into."""
        resource_identity = origin.resource_identity()
        identity = (resource_identity, origin.scope_identity())
        message = self._scope_messages.get(identity)
        if message is None:
            resource = self._resource_messages.get(resource_identity)
            if resource is None:
                resource = self.resources.add(schema_url=origin.resource_url)
                _fill_resource(resource.resource, origin)
                self._resource_messages[resource_identity] = resource
            message = getattr(resource, self.scopes).add(schema_url=origin.scope_url)
            _fill_scope(message.scope, origin)
            self._scope_messages[identity] = message
        return message


def _fill_resource(resource: Any, origin: Origin) -> None:
    fill_attributes(resource.attributes, origin.resource, origin.residue.get("resource"))
    resource.dropped_attributes_count = origin.residue.get("resource_dropped", 0)
    resource.entity_refs.extend(
        common_pb2.EntityRef.FromString(b64decode(ref))
        for ref in origin.residue.get("entity_refs", ())
    )


def _fill_scope(scope: Any, origin: Origin) -> None:
    scope.name = origin.scope_name
    scope.version = origin.scope_version
    fill_attributes(scope.attributes, origin.scope, origin.residue.get("scope"))
    scope.dropped_attributes_count = origin.scope_dropped
