"""What a pipeline says of itself: decorators, context managers, values with ids. Light install."""
