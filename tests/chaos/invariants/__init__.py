"""The nine invariants, a room each, and number 0: what no fault explains. Each has one function, `check`."""
