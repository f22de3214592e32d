"""The engine that holds the tables: ClickHouse, in this process (chDB) or on a server."""
