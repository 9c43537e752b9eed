"""The broker: whether it answers, is new enough, keeps what it is told, and throws nothing away."""

from collections.abc import Iterator, Mapping
from typing import Any

import redis

from pfa.broker import OLDEST, installed_broker
from pfa.doctor.finding import Finding, broken, ok, warning
from pfa.errors import BrokerUnavailable
from pfa_store.settings import Settings

_PATIENCE_S = 3.0
_KEEP = "Start it with --appendonly yes: what it forgets is announced again only after PFA_RING_AGAIN_S."
_EVICT = "Set maxmemory-policy noeviction: a broker that evicts loses messages."


def broker(settings: Settings) -> Iterator[Finding]:
    """The broker that PFA_BROKER_URL names, or whether `pfa up` would find one to start."""
    if not settings.broker_url:
        try:
            yield ok("broker", f"`pfa up` starts its own: {installed_broker()}")
        except BrokerUnavailable as error:
            yield broken("broker", "there is none to start", remedy=str(error))
        return
    try:
        with redis.Redis.from_url(_url(settings.broker_url), **_TIMEOUTS) as connection:
            info: Mapping[str, Any] = connection.info()
    except (redis.RedisError, ValueError, OSError) as error:
        remedy = "Start it, or correct PFA_BROKER_URL (redis://host:6379/0); empty, `pfa up` starts one of its own."
        yield broken("broker", f"does not answer: {error}", remedy=remedy)
        return
    yield from judged(info)


_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": _PATIENCE_S, "socket_timeout": _PATIENCE_S}


def judged(info: Mapping[str, Any]) -> Iterator[Finding]:
    """What its INFO says."""
    name, version = info.get("server_name", "redis"), str(info.get("valkey_version", info["redis_version"]))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield broken("broker", f"{name} {version} is too old", remedy=f"Install Redis or Valkey {wanted} or newer.")
    else:
        yield ok("broker", f"{name} {version} answers")
    if not int(info.get("aof_enabled", 0)):
        yield warning("broker persistence", "it keeps no log of what it was told", remedy=_KEEP)
    if (policy := str(info.get("maxmemory_policy", "noeviction"))) != "noeviction":
        yield warning("broker eviction", f"when memory is short it drops messages ({policy})", remedy=_EVICT)


def _url(url: str) -> str:
    """As redis-py names sockets; Kombu has a scheme of its own."""
    return url.replace("redis+socket://", "unix://", 1)
