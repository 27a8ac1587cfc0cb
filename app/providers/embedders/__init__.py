"""What makes vectors of texts: one source a kind of server or library, and one embedder over all of them."""
