"""Teams, as whoever works here sees them: connected, who is in, what is shared, what met."""
