"""Detections for a frame: fetch it by CID, verify, decode small, run YOLO, answer.

No database and no storage of its own. The order of the modules is the order of the work:
`fetch -> header -> decode -> letterbox -> batcher -> detector -> inference -> api`.
"""
