"""What a parent and a worker say to each other, a byte each; the end of the line says that the other has gone."""

READY = b"r"
"""A worker takes requests."""
BEAT = b"."
"""A worker's event loop runs; each `BEAT_SECONDS`."""
GREET = b"g"
"""To the first worker that is ready: tell the operator, who need not hear it from each."""
LEAVE = b"l"
"""To all workers, once for each signal that the parent has had."""

BEAT_SECONDS = 2.0
EOF = b""
