"""How the commands of `pfa` begin and end: -h as well as --help, and a line instead of a traceback."""

from typing import Any

from typer.core import TyperGroup

from pfa.console import STOPPED, fail
from pfa_client import ClientError
from pfa_core.errors import PfaError

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
"""Context settings of an application."""
PASSED_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Context settings of a command whose arguments another process reads."""


class Front(TyperGroup):
    """The outermost group: what a command did not tell by itself is told here, and Ctrl-C is exit status 130."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # a context of Typer's own copy of Click; what the command returns
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (PfaError, ClientError, OSError) as error:
            fail(str(error))
        except KeyboardInterrupt:
            fail("stopped", status=STOPPED)
