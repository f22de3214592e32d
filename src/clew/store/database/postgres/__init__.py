"""The registry on a PostgreSQL server, through asyncpg. Imported only where one is named."""
