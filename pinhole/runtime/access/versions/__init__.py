"""The migrations of the schema `access`: bearer tokens."""
