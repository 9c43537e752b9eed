"""How spans are sent: by OTLP/HTTP, and with patience. Imports the SDK; see `pfa_store/traces`."""

import logging
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from pfa_store.traces import AWAY_S, TIMEOUT_S

logger = logging.getLogger(__name__)


class PatientExporter(SpanExporter):
    """Tells once that a collector does not take spans, leaves it alone for a while, and tells when it is back."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S)
        self._url = url
        self._clock = clock
        self._away = False
        self._ask_again_s = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._away and self._clock() < self._ask_again_s:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away:
            self._ask_again_s = self._clock() + AWAY_S
        if away and not self._away:
            logger.warning("%s does not take traces; until it does they are dropped", self._url)
        elif self._away and not away:
            logger.info("%s takes traces again", self._url)
        self._away = away
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # has no types

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)
