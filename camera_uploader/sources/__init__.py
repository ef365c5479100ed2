"""Where pictures come from, one kind a module."""
