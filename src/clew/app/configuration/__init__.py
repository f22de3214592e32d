"""What a server is told: settings, how text becomes them, and whether they can be."""
