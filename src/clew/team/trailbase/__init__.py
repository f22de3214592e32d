"""The team's server: one interface, and adapters to the APIs that are found behind an address."""
