"""What every other room may use: configuration, errors, security, logging. It knows nothing of the app."""
