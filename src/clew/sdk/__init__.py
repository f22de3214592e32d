"""What a process that is watched imports. Light install."""
