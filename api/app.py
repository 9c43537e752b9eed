"""The application, wired: the one place where everything meets."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from api import openapi, problems
from api.account import Account
from api.buckets import Buckets, OwnBuckets, SharedBuckets
from api.console import wiring as console
from api.deps import ServiceSet
from api.inference.service import Inference
from api.limits import BodyLimit
from api.metrics import CountRequests, Metrics
from api.rates import Rates
from api.recall import Recall
from api.request_log import WATCHING, RequestLog
from api.routers import (
    collection_items,
    collections,
    datasets,
    health,
    inference_protocol,
    job_files,
    job_predictions,
    job_requests,
    jobs,
    model_files,
    models,
    predict,
    retrieve,
    uploads,
    videos,
    webhooks,
    workers,
)
from api.tus import TusHeaders
from pfa_store.audit import AuditLog
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.traces import Traces, open_traces

VERSION = "0.1.0"

DESCRIPTION = """
Turns unlabelled videos of people into pose features, and serves what they can do: pose heatmaps, action labels and
nearest-pose retrieval. Upload videos, start a `pretrain` job, finetune with the few labels that you have, and predict.

Every error is a problem document (`application/problem+json`); its `code` is for programs, its `detail` says what to
do. Send a key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
"""


def create_app(settings: Settings, store: Store | None = None, *, process: int = 0) -> FastAPI:
    """The API over a store, which is opened here unless one is given (and then stays open at the end).

    process: which of several API processes this is.
    """
    opened = Store.open(settings) if store is None else store
    metrics = Metrics(process=process)
    buckets = _buckets(metrics.folder)
    traces = open_traces(settings, role="api")
    rates = Rates(per_minute=settings.rate_limit, burst=settings.rate_burst, buckets=buckets)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        recall = Recall(opened.changes)
        inference = Inference(settings, opened, metrics, recall, traces)
        app.state.services = ServiceSet(
            settings=settings, store=opened, inference=inference, metrics=metrics, rates=rates, recall=recall
        )
        gc.collect()
        gc.freeze()  # what lives as long as the service is not looked at again by each collection of garbage
        yield
        await inference.close()
        buckets.close()
        await run_in_threadpool(traces.close)
        if store is None:
            opened.close()

    app = FastAPIOffline(  # /docs with its scripts from here, not from another host
        title="PFA: pose from action",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        telemetry=_telemetry(traces),
    )
    problems.install(app)
    openapi.install(app)
    for module in (
        predict, retrieve,  # routes are tried in this order, and these are asked most
        videos, uploads, datasets, jobs, job_requests, job_files, job_predictions, models, model_files, collections,
        collection_items, inference_protocol, webhooks, workers, health,
    ):  # fmt: skip
        app.include_router(module.router)
    console.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    app.add_middleware(TusHeaders)
    app.add_middleware(CountRequests, metrics=metrics)
    app.add_middleware(Account, audit=AuditLog(opened.files))
    app.add_middleware(RequestLog, access=settings.log_format == "json")
    return app


def _telemetry(traces: Traces) -> TelemetryConfig:
    """FastAPI makes a span of each request, where traces are on, and does nothing else of that kind."""
    return {
        "tracing": traces.provider is not None,
        "tracer_provider": traces.provider,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"].startswith(WATCHING),
    }


def _buckets(shared: Path | None) -> Buckets:
    """Where calls are counted: with the other processes of this service, if there are any."""
    return OwnBuckets() if shared is None else SharedBuckets(shared / "rates")
