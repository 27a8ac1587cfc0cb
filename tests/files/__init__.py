"""Claims about uploaded files."""
