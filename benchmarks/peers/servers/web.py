"""The FastAPI application of two peers: a form with one field an input, answered with JSON."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request  # type: ignore[import-not-found]
from fastapi.responses import JSONResponse  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.peers.servers.chain import Chain


def application(open_chain: Callable[[], Chain], at_once: int) -> FastAPI:
    """Serve a chain; so many requests are computed at once in this process."""
    pool = ThreadPoolExecutor(at_once)
    chains: list[Chain] = []

    @contextlib.asynccontextmanager
    async def load(_: FastAPI) -> AsyncIterator[None]:
        chains.append(open_chain())
        yield

    app = FastAPI(lifespan=load)

    async def predict(request: Request) -> JSONResponse:
        async with request.form() as form:
            item = {
                name: value.encode() if isinstance(value, str) else await value.read()
                for name, value in form.items()
            }
        [answer] = await asyncio.get_running_loop().run_in_executor(pool, chains[0], [item])
        return JSONResponse(answer)

    # Named here, not by a decorator: the annotations of a closure are not to be resolved.
    app.add_route("/predict", predict, methods=["POST"])
    return app
