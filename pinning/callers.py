"""Who calls, and for whom: the token's own pins, or an owner that it may act for."""

from dataclasses import dataclass

from aiohttp import web

from pinhole.contract.errors import Forbidden, Unprocessable
from pinhole.contract.owners import OWNER_HEADER, Owner
from pinhole.contract.scopes import Scope
from pinhole.runtime.tokens import Token, require


@dataclass(frozen=True)
class Caller:
    """A verified token and the owner that this request is about."""

    token: Token
    owner: Owner


async def caller_of(request: web.Request, scope: Scope) -> Caller:
    """Return who calls, acting for the owner in `Pinhole-Owner` or else for itself.

    Raises:
        Unauthorized, Forbidden: no valid token, neither `scope` nor `pins:service`, or another's.
        InvalidOwner: the header names none.
    """
    token = await require(request, scope, Scope.PINS_SERVICE)
    named = request.headers.get(OWNER_HEADER)
    if named is None:
        return Caller(token, Owner.token(token.name))
    return Caller(token, acting_for(token, Owner.parse(named)))


def batch_owner(caller: Caller, site: str | None, camera: str | None) -> Owner:
    """Return the owner that a batch is about: the camera that it names, or else the caller's.

    Raises:
        Unprocessable: it names half a camera.
        Forbidden: the token may not act for it.
    """
    if site is None and camera is None:
        return caller.owner
    if site is None or camera is None:
        raise Unprocessable("camera and site come together: a camera's name is unique in its site")
    return acting_for(caller.token, Owner.camera(site, camera))


def acting_for(token: Token, owner: Owner) -> Owner:
    """Return `owner` where the token may act for it.

    A service may act for anyone. Another token may for itself, and for cameras that were written
    into it by name: a token without that list is an outside client and acts for none.

    Raises:
        Forbidden: it may not.
    """
    if token.may(Scope.PINS_SERVICE) or owner == Owner.token(token.name):
        return owner
    camera = owner.as_camera
    if camera is not None and token.cameras is not None and token.sees(*camera):
        return owner
    raise Forbidden(f"the token {token.name!r} may not act for {owner}")
