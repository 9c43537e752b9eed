"""Leaves that the front door adds to the tree of `pfa_core.errors`.

PfaError
  FrontDoorError     the command cannot do what was asked
    BrokerUnavailable, AlreadyRunning, ServiceFailed, DemoFailed, TablesFailed,
    BackupRefused
"""

from pfa_core.errors import PfaError


class FrontDoorError(PfaError):
    """The command cannot do what was asked; its message is all that the user sees."""


class BrokerUnavailable(FrontDoorError):
    code = "broker_unavailable"


class AlreadyRunning(FrontDoorError):
    code = "already_running"


class ServiceFailed(FrontDoorError):
    code = "service_failed"


class DemoFailed(FrontDoorError):
    code = "demo_failed"


class TablesFailed(FrontDoorError):
    code = "tables_failed"


class BackupRefused(FrontDoorError):
    code = "backup_refused"
