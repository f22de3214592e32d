"""The gRPC doors: OTLP export and the Jaeger query service."""
