"""A deterministic simulation: several instances of the engine in one event loop with virtual time, and what breaks."""
