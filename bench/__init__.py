"""What Pinhole does, measured beside its floors in the same run: `python -m bench`."""
