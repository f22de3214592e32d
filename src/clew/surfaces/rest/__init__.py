"""The REST door, server-sent events and OpenAPI."""
