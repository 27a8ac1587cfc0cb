"""What tests of accounts share."""

from tests.routers.conftest import logs

__all__ = ["logs"]
