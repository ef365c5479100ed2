"""Pinning: what the hub holds, for whom, and how it came to hold it."""
