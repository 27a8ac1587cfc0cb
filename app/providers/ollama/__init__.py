"""Ollama, in its own protocol."""
