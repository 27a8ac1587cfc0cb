"""Our JSON bodies, as pydantic models."""
