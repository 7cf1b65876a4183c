"""Awaitables of asyncio in greenthreads."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from greenrt import aio

from .greenthread import GreenThread, spawn

__all__ = ["spawn_for_awaitable"]


def spawn_for_awaitable(coroutine: Awaitable[Any]) -> GreenThread:
    """A greenthread whose wait() gives what a coroutine, or another awaitable, gives. It runs on the asyncio loop that greenthreads
    share, whatever the hub is called; to kill the greenthread cancels it."""
    return spawn(aio.run, coroutine)
