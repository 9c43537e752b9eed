"""One body, two methods: what is written once is a method of `Client` and a coroutine of `AsyncClient`.

A body is a generator (see `transport.Steps`) under `@call`, or gives Pages under `@listing` or an EventStream under
`@follow`. Which method it becomes is decided by the client that it is looked up on, for type checkers too.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from pfa_client.async_wire import AsyncWire
from pfa_client.events import EventStream
from pfa_client.pages import Pages
from pfa_client.records import Job, JobEvent
from pfa_client.sync_wire import SyncWire
from pfa_client.transport import Steps

if TYPE_CHECKING:
    from pfa_client.live_jobs import AsyncLiveJob, LiveJob

P = ParamSpec("P")
T = TypeVar("T")


class Written(Generic[P, T]):
    """A body that is written once; `run` is the name of the client's method that carries it out."""

    run = ""

    def __init__(self, body: Callable[Concatenate[Any, P], T]) -> None:
        self.body = body
        self.__doc__ = body.__doc__

    def bound(self, instance: Any) -> Any:  # noqa: ANN401  # the subclasses' overloads say what
        """The body, carried out by this client."""

        @wraps(self.body)
        def method(*args: P.args, **kwargs: P.kwargs) -> object:
            return getattr(instance, self.run)(self.body(instance, *args, **kwargs))

        del method.__wrapped__
        return method


class call(Written[P, Steps[T]], Generic[P, T]):  # noqa: N801  # it is used as a decorator
    """Answers once."""

    run = "_run"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncWire, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: AsyncWire, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: SyncWire | AsyncWire | None, owner: type) -> Any:
        return self if instance is None else self.bound(instance)


class job_call(Written[P, Steps[Job]], Generic[P]):  # noqa: N801
    """Answers once, with a job that can be waited for."""

    run = "_run_job"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncWire, owner: type) -> Callable[P, "LiveJob"]: ...
    @overload
    def __get__(self, instance: AsyncWire, owner: type) -> Callable[P, Coroutine[Any, Any, "AsyncLiveJob"]]: ...
    def __get__(self, instance: SyncWire | AsyncWire | None, owner: type) -> Any:
        return self if instance is None else self.bound(instance)


class listing(Written[P, Pages[T]], Generic[P, T]):  # noqa: N801
    """An iterator that asks for the next page when it needs it."""

    run = "_pages"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncWire, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: AsyncWire, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: SyncWire | AsyncWire | None, owner: type) -> Any:
        return self if instance is None else self.bound(instance)


class job_listing(Written[P, Pages[Job]], Generic[P]):  # noqa: N801
    """A listing of jobs that can be waited for."""

    run = "_job_pages"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncWire, owner: type) -> Callable[P, Iterator["LiveJob"]]: ...
    @overload
    def __get__(self, instance: AsyncWire, owner: type) -> Callable[P, AsyncIterator["AsyncLiveJob"]]: ...
    def __get__(self, instance: SyncWire | AsyncWire | None, owner: type) -> Any:
        return self if instance is None else self.bound(instance)


class follow(Written[P, EventStream], Generic[P]):  # noqa: N801
    """An iterator over events as they happen."""

    run = "_events"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: SyncWire, owner: type) -> Callable[P, Iterator[JobEvent]]: ...
    @overload
    def __get__(self, instance: AsyncWire, owner: type) -> Callable[P, AsyncIterator[JobEvent]]: ...
    def __get__(self, instance: SyncWire | AsyncWire | None, owner: type) -> Any:
        return self if instance is None else self.bound(instance)
