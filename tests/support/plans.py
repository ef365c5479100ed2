"""What PostgreSQL would do: the indexes that a statement's plan uses."""

import json
from typing import Any

import psycopg

from pinhole.runtime.postgres import Connection, Pool


async def nodes(connection: Connection | Pool, statement: str, *arguments: Any) -> set[str]:
    """Return the indexes that a statement's plan uses, and the tables that it reads whole."""
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    return _nodes(plan if isinstance(plan, list) else json.loads(plan))


def generic_nodes(dsn: str, statement: str) -> set[str]:
    """Return the same of the plan that is made once, for whatever arguments. Blocking."""
    # Without arguments: psycopg sends them as plain text, which asyncpg does not.
    with psycopg.connect(dsn) as connection:
        explain = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}"
        row = connection.execute(explain.encode()).fetchone()
    assert row is not None
    return _nodes(row[0])


def _nodes(plan: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        if "Index Name" in node:
            found.add(node["Index Name"])
        elif node["Node Type"] == "Seq Scan":
            found.add(f"all of {node['Relation Name']}")
        for child in node.get("Plans", []):
            walk(child)

    walk(plan[0]["Plan"])
    return found
