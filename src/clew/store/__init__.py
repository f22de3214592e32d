"""Mechanisms that keep bytes: the write-ahead log, the engine, the pipeline between them.

No word of the product occurs here. A strand declares its tables (`clew.store.table`) and the kinds
of record it writes (`clew.store.pipeline.RecordKind`); the store makes them durable and readable.
"""
