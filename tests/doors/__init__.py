"""The doors for clients that exist: each in its own protocol, over every vendor."""
