"""An AI backend: one async service that puts any language model behind a product."""

__version__ = "0.1.0"
