"""What can be shared: entities that sync, and those that clew brings along."""
