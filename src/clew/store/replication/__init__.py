"""One log on several servers: who leads, what the others have, and how they come to have it."""
