"""The OTLP/HTTP door."""
