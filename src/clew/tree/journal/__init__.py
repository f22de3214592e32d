"""What the tree did, told as telemetry: transitions, messages and commands."""
