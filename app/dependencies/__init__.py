"""The needs of routes, by name."""

from app.dependencies.admission import CurrentUser, admitted, still_admitted
from app.dependencies.credentials import SESSION_COOKIE
from app.dependencies.house import HouseDep
from app.dependencies.limiting import limited_by_address
from app.dependencies.password_routes import PasswordRoute

__all__ = [
    "SESSION_COOKIE",
    "CurrentUser",
    "HouseDep",
    "PasswordRoute",
    "admitted",
    "limited_by_address",
    "still_admitted",
]
