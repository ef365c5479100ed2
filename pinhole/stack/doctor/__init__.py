"""The doctor: holds each live Kubo node against its profile and names what is dangerous."""
