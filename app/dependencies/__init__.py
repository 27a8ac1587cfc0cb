"""The needs of routes, by name."""

from app.dependencies.admission import CurrentUser, admitted
from app.dependencies.credentials import SESSION_COOKIE
from app.dependencies.house import HouseDep

__all__ = ["SESSION_COOKIE", "CurrentUser", "HouseDep", "admitted"]
