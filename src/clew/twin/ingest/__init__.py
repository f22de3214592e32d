"""From log records to events: which records are fingerprints, and what they say.

`app` puts this behind the decoder of logs, so that an event is durable with the record it came by.
"""
