"""The main job, end to end: what users of the chat routes notice."""
