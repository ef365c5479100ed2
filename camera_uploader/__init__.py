"""The camera: capture, store under a CID, spool, send; edge first, losing nothing."""
