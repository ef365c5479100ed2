"""Importing: the files of an existing tree become blocks that are pinned for an owner."""
