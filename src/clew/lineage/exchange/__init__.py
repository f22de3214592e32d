"""Lineage in the words of others: OpenLineage's events come in, W3C's PROV goes out; pure."""
