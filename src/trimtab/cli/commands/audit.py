"""``trimtab audit``: who did what, when and why, and whether the log of it is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import Client, connect
from trimtab.cli.output import AsJson, ProjectOption, escaped, say, show_rows
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.core.wording import counted

__all__ = ["add_to"]

_PAGE = 500

audit = typer.Typer(help="The audit log: show it, verify it, take it elsewhere.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(audit, name="audit")


@audit.command("show")
def show(
    subject: Annotated[str | None, typer.Option(help="Only this subject; 'model:' stands for all models.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this actor did.")] = None,
    model: Annotated[str | None, typer.Option(help="Only what is about this model.")] = None,
    version: Annotated[str | None, typer.Option(help="Only what is about this version: MODEL@NUMBER.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only what is about this endpoint.")] = None,
    incident: Annotated[str | None, typer.Option(help="Only this incident, and what followed from it.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, and what it did.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, e.g. 2024-03-04T07:00 (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=1000)] = 50,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show who did what, when, and why."""
    answer = connect(Path(project)).ask(
        "audit.show",
        subject=subject,
        actor=actor,
        model=model,
        version=None if version is None else version.replace("@", "/"),
        endpoint=endpoint,
        incident=incident,
        action=action,
        since=since,
        until=until,
        limit=limit,
    )
    rows = [{**entry, "reason": entry["spec"].get("reason", "")} for entry in answer["entries"]]
    show_rows(answer, as_json, rows, ("sequence", "at_us", "actor", "action", "subject", "reason"), "Nothing yet.")


@audit.command("verify")
def verify(
    trusted_key: Annotated[
        list[Path] | None,
        typer.Option(help="A public key that you know from elsewhere; again for others."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="'last': only what came after the farthest signed checkpoint.")
    ] = "beginning",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Check the log against its checkpoints and their signatures; exit code 1 when it was tampered with."""
    keys = None if not trusted_key else [_text(path) for path in trusted_key]
    answer = connect(Path(project)).ask("audit.verify", trusted_keys=keys, since=since)
    lines = [*(_whole(answer) if answer["ok"] else _broken(answer))]
    if answer["guards_missing"]:
        lines.append(f"[yellow]The database guards the log no more[/]: without {', '.join(answer['guards_missing'])}")
    say(answer, as_json, "\n".join(lines))
    if not answer["ok"]:
        raise typer.Exit(1)


@audit.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made, and must not hold anything.")],
    after: Annotated[int, typer.Option(help="Only entries after this sequence.", min=0)] = 0,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Write the log with its checkpoints and keys as files, and a program beside them that verifies them."""
    # Start-up cost: only wanted here.
    from trimtab.audit.export import CHECKER, checker

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder}: holds something already, expected a new folder; name another")
    client = connect(Path(project))
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "keys").mkdir()
    last = _export_entries(client, folder / "entries.jsonl", after)
    checkpoints = _export_checkpoints(client, folder / "checkpoints", last)
    keys = client.ask("audit.keys")["keys"]
    for named in keys:
        (folder / "keys" / Path(f"{named['key_id']}.pem").name).write_text(named["pem"])
    (folder / CHECKER).write_bytes(checker())
    answer: JsonObject = {
        "folder": str(folder),
        "entries": last - after,
        "checkpoints": checkpoints,
        "keys": [named["key_id"] for named in keys],
    }
    text = (
        f"{_entries(last - after)}, {counted(checkpoints, 'checkpoint')} and {counted(len(keys), 'key')} are in "
        f"{escaped(str(folder))}; verify them with: python {escaped(str(folder / CHECKER))} {escaped(str(folder))}"
    )
    say(answer, as_json, text)


@audit.command("key")
def key(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Show the public key that signs checkpoints; keep it where who writes database and lake cannot."""
    keys = connect(Path(project)).ask("audit.keys")["keys"]
    answer: JsonObject = {"keys": keys}
    say(answer, as_json, escaped(keys[-1]["pem"].strip()) if keys else "No checkpoint was signed yet.")


@audit.command("renew")
def renew_key(
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Have a new key sign checkpoints; the old one vouches for it, and is removed."""
    answer = connect(Path(project)).ask("audit.renew", reason=reason)
    text = f"Key {answer['key_id']} signs from entry {answer['since_sequence']} on; 'trimtab audit key' shows it."
    say(answer, as_json, text)


@audit.command("reindex")
def reindex(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Make anew from the entries what 'audit show' finds them by."""
    answer = connect(Path(project)).ask("audit.reindex")
    say(answer, as_json, f"{_entries(answer['entries'])} can be found by what they are about.")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _whole(answer: JsonObject) -> Iterator[str]:
    head, seen = answer["head"], answer["checkpoints"]
    start = "" if answer["read_from"] == 1 else f" from {answer['read_from']} on"
    count = answer["entries"] - answer["read_from"] + 1
    yield f"[green]{count} entries{start} are whole[/]; head {head['sequence']}, {head['hash'][:16]}…"
    if not seen["agree"]:
        yield "No checkpoint says how far the log had come: a cut end would not be seen."
        return
    beyond = head["sequence"] - seen["newest"]
    agree = f"{counted(seen['agree'], 'checkpoint')} {'agrees' if seen['agree'] == 1 else 'agree'}"
    yield f"{agree}, {seen['signed']} signed; {_entries(beyond)} {'is' if beyond == 1 else 'are'} newer"
    if answer["trusted"]:
        yield f"Signed by, or vouched for by, {', '.join(answer['trusted'])}."
        return
    for named in answer["keys"]:
        if not named["vouched"]:
            yield f"[yellow]From entry {named['since_sequence']} on key {named['key_id']} signs, unvouched for.[/]"
    yield "Whose the keys are nobody said: name one that you know with --trusted-key."


def _broken(answer: JsonObject) -> Iterator[str]:
    faults = [problem for problem in answer["problems"] if not problem["only_unvouched"]]
    if not faults:
        yield from _unvouched(answer)
        return
    first, *others = faults
    if first["cut_after"] is None:
        yield f"[red]The log is broken at entry {first['sequence']}[/]: {escaped(first['what'])}"
    else:
        yield f"[red]The log is {escaped(first['what'])}[/]"
    for problem in others:
        yield f"  and at {problem['sequence']}: {escaped(problem['what'])}"


def _unvouched(answer: JsonObject) -> Iterator[str]:
    """Say what is known of a log that nothing contradicts, and that no key vouches for which was named."""
    named, signing = ", ".join(answer["trusted"]), answer["keys"]
    yield f"[red]The log is not vouched for[/]: {_entries(answer['entries'])} fit each other, but"
    if not answer["checkpoints"]["found"]:
        yield f"there is no checkpoint that key {named} could have signed; the control plane writes one each minute."
    elif not signing:
        yield f"the log names no key, and no checkpoint is signed by {named}."
    else:
        yield f"its checkpoints are signed by key {signing[-1]['key_id']}, for which {named} does not vouch."
        yield "Either another key was named than this log's ('trimtab audit key' shows it), or somebody wrote it anew."


def _export_entries(client: Client, path: Path, after: int) -> int:
    """Write all entries that there are by now, and return the last one's sequence."""
    # Start-up cost: only wanted here.
    from trimtab.audit.export import line_of

    with path.open("wb") as lines:
        while True:
            page = client.ask("audit.show", after=after, limit=_PAGE)["entries"]
            if not page:
                return after
            for entry in page:
                lines.write(line_of(entry))
            after = page[-1]["sequence"]


def _export_checkpoints(client: Client, folder: Path, last: int) -> int:
    """Write the checkpoints up to entry ``last``, and return how many that are."""
    after = written = 0
    while True:
        page = client.ask("audit.checkpoints", after=after, limit=_PAGE)["checkpoints"]
        for found in page:
            if found["sequence"] > last:
                return written
            # Whoever answers does not choose where a file goes.
            path = folder / Path(found["name"]).name
            path.write_text(found["content"])
            if found["signature"] is not None:
                path.with_name(f"{path.name}.sig").write_bytes(bytes.fromhex(found["signature"]))
            written += 1
        if not page:
            return written
        after = page[-1]["sequence"]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--trusted-key {path}: cannot be read ({error}), expected a public key in PEM") from error
