"""How events are spelled in each protocol, and the one response that sends them."""
