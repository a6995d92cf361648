"""`ioe control-key`: a key and a certificate for TCP with mutual TLS, for a daemon or for one who asks it.

Certificates are matched whole, so each is its own authority: nobody has to be
trusted with signing them, and taking one away is deleting a line.
"""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.cli.asking import AskFailed
from ioe_router.cli.exit_codes import ExitCode


@click.command()
@click.argument("name", type=click.Path(path_type=Path))
@click.option("--days", type=click.IntRange(1, 3_650), default=365, show_default=True, help="Validity.")
def control_key(name: Path, days: int) -> None:
    """Make NAME.key (private, mode 0600) and NAME.crt (to be handed to the other side)."""
    from ioe_router.control.certificates import make_pair

    key, certificate = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.crt")
    for path in (key, certificate):
        if path.exists():
            raise AskFailed(f"{path} is there already; name another", ExitCode.FAILED)
    key_pem, certificate_pem = make_pair(name.name, days)
    try:
        key.touch(mode=0o600)
        key.write_bytes(key_pem)
        certificate.write_bytes(certificate_pem)
    except OSError as error:
        raise AskFailed(f"{error.filename} cannot be written ({error.strerror})", ExitCode.FAILED) from error
    click.echo(f"{key} stays here; hand {certificate} to the other side")
