"""One room for each kind of document: its bytes to pages. Imported by the child alone, and only the one it needs."""
