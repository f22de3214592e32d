"""What a program asks of the twin: objects as they were, as instances of its own classes."""
