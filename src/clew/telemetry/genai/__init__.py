"""GenAI telemetry: agents, models and tools, whatever convention their spans follow."""
