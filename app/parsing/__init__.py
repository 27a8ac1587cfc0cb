"""Bytes to pages of text, in a child process that may be killed at any time."""
