"""A small real system that sends telemetry, run by `clew demo`."""
