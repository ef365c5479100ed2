"""Everything on one machine: PostgreSQL, private Kubo nodes and the services as processes."""
