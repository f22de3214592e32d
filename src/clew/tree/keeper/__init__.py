"""The task around the machine: batches and commits, timers, and whoever waits for an answer."""
