"""What every other room may use: configuration, errors, security, logging, metrics. It knows nothing of the app."""
