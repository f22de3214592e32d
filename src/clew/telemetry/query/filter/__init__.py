"""What a filter says, from text to conditions, and conditions as SQL."""
