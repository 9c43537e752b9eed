"""`pfa workers`: who does the jobs of a service."""

from rich.table import Table

from pfa.console import out
from pfa.remote import HERE, AsJson, Key, Url, print_json, talking


def list_workers(*, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """List the workers of a service: queue, host, what they do, when they were last seen."""
    with talking(url, key) as client:
        found = client.workers()
    if as_json:
        print_json(found)
        return
    table = Table("queue", "host", "pid", "status", "job", "last seen", "version")
    for each in found:
        table.add_row(
            each.queue, each.host, str(each.pid), each.status, each.job_id or "", each.seen[:19], each.version
        )
    out.print(table)
    if not found:
        out.print("No workers: jobs wait until one is there. Start one: pfa worker --queue flow,train")
