"""What happened: traces, logs and metrics, from OTLP bytes to answers."""
