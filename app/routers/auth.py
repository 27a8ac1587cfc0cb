"""Registration, signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from app.bootstrap import House
from app.dependencies import CurrentUser, HouseDep, PasswordRoute, admitted, limited_by_address
from app.routers.cookies import clear_session, set_session
from app.schemas.identity import RefreshBody, RegisterBody, TokenAnswer, UserAnswer
from app.services.limits import Limited
from app.services.signin import TokenPair

router = APIRouter(prefix="/auth", tags=["auth"])
guessable = APIRouter(route_class=PasswordRoute)
refreshing = APIRouter(route_class=limited_by_address(Limited.DEFAULT))
signed_in = APIRouter(route_class=admitted(in_person=True))


@guessable.post(
    "/register",
    status_code=201,
    summary="Open an account",
    response_description="The new account; it is not signed in yet.",
    responses={
        403: {"description": "Registration is closed on this server."},
        409: {"description": "An account with this address exists already."},
    },
)
async def register(body: RegisterBody, house: HouseDep) -> UserAnswer:
    user = await house.accounts.register(email=body.email, password=body.password, name=body.name)
    return UserAnswer.model_validate(user)


@guessable.post(
    "/login",
    summary="Sign in",
    response_description="A pair of tokens.",
    responses={
        401: {"description": "The address or the password is wrong."},
        429: {"description": "Too many requests; or too many wrong passwords for this address (`account_locked`)."},
    },
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], request: Request, response: Response, house: HouseDep
) -> TokenAnswer:
    """Takes the OAuth2 password form: `username` is the address. Sets the session cookie for this site's pages."""
    agent = request.headers.get("user-agent")
    pair = await house.signin.login(email=form.username, password=form.password, user_agent=agent)
    return _answer(pair, request, response, house)


@refreshing.post(
    "/refresh",
    summary="Get a new pair of tokens",
    response_description="Another pair of tokens.",
    responses={
        401: {"description": "The token is not valid, or was spent before; then its session has ended."},
        409: {"description": "The token was spent a moment ago; use the pair that request received."},
    },
)
async def refresh(body: RefreshBody, request: Request, response: Response, house: HouseDep) -> TokenAnswer:
    """Spends the refresh token. A repeat within five seconds is 409 and harmless; a later one ends the session."""
    pair = await house.signin.refresh(body.refresh_token)
    return _answer(pair, request, response, house)


@signed_in.post("/logout", status_code=204, summary="Sign out")
async def logout(user: CurrentUser, response: Response, house: HouseDep) -> None:
    """Ends this session: its tokens and its cookie are refused from now on."""
    await house.signin.logout(user)
    clear_session(response, house)


def _answer(pair: TokenPair, request: Request, response: Response, house: House) -> TokenAnswer:
    response.headers["Cache-Control"] = "no-store"
    set_session(request, response, house, pair)
    return TokenAnswer.model_validate(pair)


for part in (guessable, refreshing, signed_in):
    router.include_router(part)
