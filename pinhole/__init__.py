"""Pinhole: what the services share; it knows none of them."""
