"""Questions about telemetry and the one service that answers them."""
