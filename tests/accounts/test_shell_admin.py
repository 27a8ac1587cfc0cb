"""An administrator from the shell, where there is a user already: what has changed is on record, and that alone."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select, update

from app.models.audit import audit_events
from app.models.identity import users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import is_problem
from tests.backend import PASSWORD, Backend, User

PROMOTED = ("user.role_changed", "shell", '{"from":"user","to":"admin"}')
ACTIVATED = ("user.activated", "shell", "{}")


@pytest.mark.parametrize(
    ("role", "active", "told"),
    [
        ("user", True, [PROMOTED]),
        ("user", False, [PROMOTED, ACTIVATED]),
        ("admin", False, [ACTIVATED]),
        ("admin", True, []),
    ],
)
async def test_what_changed_is_on_record(
    backend: Backend,
    database_url: str,
    database_kind: str,
    role: str,
    active: bool,
    told: Sequence[tuple[str, str, str]],
) -> None:
    alice = await backend.user()
    one = users.c.email == alice.email
    await alter(database_url, update(users).where(one).values(role=role, is_active=active, name="Alice"))

    made = await backend.house.accounts.create_admin(email="Alice@Example.com", password="short")

    assert (made.role, made.is_active, made.name) == ("admin", True, "Alice")
    (row,) = await rows(database_url, select(users).where(one))
    assert (row["id"], row["role"], row["is_active"], row["name"]) == (made.id, "admin", True, "Alice")
    acts = select(audit_events).where(audit_events.c.target_id == made.id, audit_events.c.actor == "shell")
    found = await rows(database_url, acts.order_by(audit_events.c.id))
    assert [(act["action"], act["actor"], act["detail"]) for act in found] == told
    signed_in: User = await backend.user()  # by the password that was theirs before
    assert (await signed_in.http.get("/users")).status_code == 200
    assert PASSWORD not in str(found)


async def test_a_closed_account_is_no_administrator_beside_whom_the_last_may_go(
    backend: Backend, database_url: str
) -> None:
    root, gone = await backend.user("root"), await backend.user("gone")
    await alter(
        database_url,
        update(users).where(users.c.email == "admin@example.com").values(role="user"),
        update(users).where(users.c.email == root.email).values(role="admin"),
        update(users).where(users.c.email == gone.email).values(role="admin", email="deleted:gone"),
    )
    root_id = (await root.http.get("/users/me")).json()["id"]
    assert is_problem(await root.http.patch(f"/users/{root_id}", json={"role": "user"}), 409, "last_admin")
    assert is_problem(await root.http.delete("/users/me"), 409, "last_admin")
