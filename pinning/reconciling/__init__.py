"""Reconciling: what the node holds against what the ledger says it should."""
