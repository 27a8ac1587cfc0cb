"""Vectors of texts, from every kind of server that they are had of."""
