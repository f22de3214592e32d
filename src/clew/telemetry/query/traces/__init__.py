"""Questions about spans and the traces that they form."""
