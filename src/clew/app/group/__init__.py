"""A server among others that keep the same: its roles, who leads, and what they ask one another."""
