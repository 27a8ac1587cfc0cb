"""Searching in documents: what the index learns, what is found, and what becomes of both when parts are away."""
