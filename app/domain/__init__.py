"""The words of the product as frozen values, and the Protocols that services need; no I/O."""
