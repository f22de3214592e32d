"""A sync at work: what waits is sent, what changed is pulled, again and again while it is open."""
