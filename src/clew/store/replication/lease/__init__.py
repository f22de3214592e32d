"""Who leads, for a while: kept where a value can be compared and set, in PostgreSQL or etcd."""
