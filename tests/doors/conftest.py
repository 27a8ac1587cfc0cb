"""The app at its doors, with the loopback vendor as every vendor there is, shared by all tests of a file."""

from tests.chat.conftest import Service, every_vendor, hasty, patient, serving, vendor

__all__ = ["Service", "every_vendor", "hasty", "patient", "serving", "vendor"]
