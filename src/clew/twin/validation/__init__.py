"""Whether an event is what its registry says: for those who write it and those who take it in."""
