"""The spool: the camera's durable memory, and the place where its stream is made.

A row exists only after its frame's block is stored and pinned, so the order of a frame is
block/put -> pin/add -> row -> webhook. A process that is killed between any two of them leaves
at most a pinned block without a row, which no message ever named: an orphan. Orphans are the
node's direct pins less `Events.cids()`; `pinhole camera orphans` lists them.
"""
