"""The command tree: every command, its name, group, help and examples."""
