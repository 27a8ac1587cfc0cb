"""Clients, faults and a checker: whether anything is ever lost when things break."""
