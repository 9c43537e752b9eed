"""The console, put into the application."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from api.console.headers import ConsoleHeaders
from api.console.routers import datasets, flow, home, jobs, models, play, sign_in, videos

STATIC = Path(__file__).parent / "static"


def install(app: FastAPI) -> None:
    """Add the pages at `/` and `/console`, their files, and the headers that say what browsers may do with them."""
    for module in (home, sign_in, videos, datasets, jobs, models, play, flow):
        app.include_router(module.router)
    app.mount("/console/static", StaticFiles(directory=STATIC), name="console-static")
    app.add_middleware(ConsoleHeaders)
