"""HTTP/1.1 as a client, at the price of its bytes: connections, the answers on them, and what stands in between."""
