"""One adapter a vendor, the transport under them, and the catalogue of their models."""
