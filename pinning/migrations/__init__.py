"""Numbered migrations of the schema `pinning`."""
