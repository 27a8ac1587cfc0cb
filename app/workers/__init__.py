"""Several processes on one listening socket: the parent that keeps them, and what a worker has of it."""
