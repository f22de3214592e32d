"""Who may do what: callers, roles, grants, API keys, audit; the one authority function."""
