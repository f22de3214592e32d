"""Decisions of a sync, as pure functions: what to send, when, and which version wins."""
