"""The engine that holds the tables: ClickHouse, in this process (chDB) or on a server.

`contract` says what the store may expect. `chdb` and `clickhouse` keep it, over what they share in
`adapter`. Reading goes through `scan` (one table as SQL, hot rows included), writing through `ddl`
and `migration`; statements of users go through `guard` and `untrusted`.
"""
