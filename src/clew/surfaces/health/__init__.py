"""How the server itself is: what it keeps, how near its limits are, what was slow or lost."""
