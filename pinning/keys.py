"""The application's parts by key: what handlers take out of `request.app`."""

import asyncio

from aiohttp import web

from pinhole.runtime.postgres import Pool
from pinning.attempts import Attempts
from pinning.fetch import Fetcher
from pinning.hub import Hub
from pinning.keeper import Keeper
from pinning.networks import AllowedNetworks
from pinning.origins import Origins
from pinning.pins import Pins
from pinning.pressure import Pressure
from pinning.settings import PinningSettings
from pinning.stores import Stores

SETTINGS: web.AppKey[PinningSettings] = web.AppKey("settings", PinningSettings)
POOL: web.AppKey[Pool] = web.AppKey("pool", Pool)
HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
NETWORKS: web.AppKey[AllowedNetworks] = web.AppKey("networks", AllowedNetworks)
ORIGINS: web.AppKey[Origins] = web.AppKey("origins", Origins)
FETCHER: web.AppKey[Fetcher] = web.AppKey("fetcher", Fetcher)
KEEPER: web.AppKey[Keeper] = web.AppKey("keeper", Keeper)
ATTEMPTS: web.AppKey[Attempts] = web.AppKey("attempts", Attempts)
STORES: web.AppKey[Stores] = web.AppKey("stores", Stores)
PINS: web.AppKey[Pins] = web.AppKey("pins", Pins)
PRESSURE: web.AppKey[Pressure] = web.AppKey("pressure", Pressure)
UPLOADS: web.AppKey[asyncio.Semaphore] = web.AppKey("uploads", asyncio.Semaphore)
"""Bodies being read or stored: bounds them in memory."""
