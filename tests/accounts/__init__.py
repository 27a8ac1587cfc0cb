"""Who may do what: credentials, and how they are taken away."""
