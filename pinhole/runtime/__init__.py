"""What every service runs on: HTTP, PostgreSQL, Kubo, tokens, tasks, health."""
