"""Anthropic's Messages API, and what speaks it too."""
