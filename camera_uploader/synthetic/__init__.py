"""Rendered streets and gates: seeded pictures with the truth about what is in them."""
