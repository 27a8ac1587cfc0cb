"""The property-based run: schemathesis over the whole API description, against the app as it is served."""
