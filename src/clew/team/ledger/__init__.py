"""What a sync keeps here: accounts, entities, the queue, conflicts, cursors, and what was done."""
