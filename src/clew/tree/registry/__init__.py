"""What the tree keeps: its tables, how changes are kept in them, and what can be asked of them."""
