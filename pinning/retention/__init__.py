"""Retention: which pins are kept how long, what stands above that, and how the rest goes."""
