"""HTTP in, HTTP out: each router names what it needs, calls one service and spells the answer."""
