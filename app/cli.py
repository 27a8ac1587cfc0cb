"""Administration from a shell: `python -m app.cli migrate`, `python -m app.cli create-admin you@example.com`."""

import argparse
import asyncio
import getpass
import os
import sys
from contextlib import suppress

from app import migrations
from app.bootstrap import build
from app.core.config import Settings, StartRefused, read_settings
from app.core.errors import AppError
from app.database import Database


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.cli", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring a server database's schema to what this version needs")
    admin = commands.add_parser("create-admin", help="make an administrator, or make one of a user")
    admin.add_argument("email")
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        settings = read_settings()
        if arguments.command == "migrate":
            asyncio.run(_migrate(settings))
        else:
            asyncio.run(_create_admin(settings, arguments.email))
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(2)


async def _migrate(settings: Settings) -> None:
    database = Database(settings)
    try:
        if database.embedded:
            _say("SQLite migrates by itself when the server starts; nothing to do here.")
            return
        try:
            await migrations.migrate(database.url)
        except migrations.SchemaAhead:  # a release is taken back
            _say("The schema is of a newer version, and stays as it is.")
        else:
            _say(f"The schema is at {await database.revision()}.")
    finally:
        await database.close()


async def _create_admin(settings: Settings, email: str) -> None:
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    house = build(settings)
    try:
        if (file := house.database.file) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with suppress(migrations.SchemaAhead):
                await migrations.migrate(house.database.url)
        await house.accounts.create_admin(email=email, password=password)
        _say(f"{email} is an administrator now.")
    except AppError as error:
        sys.exit(error.detail)
    finally:
        await house.database.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
