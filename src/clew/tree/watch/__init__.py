"""What watchers hear: replay from the outbox, then live, without a gap and without a repeat."""
