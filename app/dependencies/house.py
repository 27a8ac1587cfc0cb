"""The long-lived objects of this process, for a route."""

from typing import Annotated

from fastapi import Depends, Request

from app.bootstrap import House


def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


async def _house(request: Request) -> House:
    return house_of(request)


HouseDep = Annotated[House, Depends(_house)]
