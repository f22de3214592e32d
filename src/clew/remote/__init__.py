"""Transport to the doors of another clew server. Light install."""
