"""The only rooms that write SQL: one noun each, on the connection of the caller's transaction."""
