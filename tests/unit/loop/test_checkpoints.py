"""Checkpoints are signed by the key that the log names, whatever becomes of that key, and get fewer with age."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import BOTH
from tests.unit.audit.forging import cut, disarm, edit, new_key, set_head
from tests.unit.loop.projects import World

from trimtab.audit.checkpoint import decode
from trimtab.audit.keys import KeyRing, PublicKey
from trimtab.audit.log import append, checkpoint_now
from trimtab.audit.signing import files_of
from trimtab.audit.verification import Verified, verify_log
from trimtab.core.errors import BackendError, ConfigError, ConflictError
from trimtab.lake.storage.folder import FolderStorage
from trimtab.loop.checkpoints import Checkpoints, renew_key

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)


def _tell(world: World, *, times: int = 1) -> None:
    with world.platform.database.transaction() as connection:
        for _ in range(times):
            append(connection, at_us=world.platform.now_us(), actor="dana", action="seen", subject="thing:1")


def _folder(world: World) -> Path:
    return world.platform.lake.root / "audit"


def _written(world: World) -> list[int]:
    return [decode(path.read_bytes(), path.name).sequence for path in sorted(_folder(world).glob("*.json"))]


def _verified(world: World, *trusted: PublicKey) -> Verified:
    files = files_of((path.name, path.read_bytes()) for path in world.platform.lake.checkpoints())
    with world.platform.database.reading() as connection:
        return verify_log(connection, files, trusted=trusted)


def _keys(world: World) -> list[Path]:
    return sorted(world.platform.project.audit_keys.glob("*.pem"))


def _key(world: World) -> PublicKey:
    return KeyRing(world.platform.project.audit_keys).any_or_new().public


def test_the_first_checkpoint_names_its_key_in_the_log_and_publishes_it(world: World) -> None:
    writer = Checkpoints(world.platform)
    assert not writer.write(), "nothing was said yet"
    assert not _folder(world).exists()
    _tell(world, times=3)
    assert writer.write()
    assert not writer.write(), "nothing is new"
    assert _written(world) == [4], "the fourth entry names the key"
    [path] = _keys(world)
    assert path.stat().st_mode & 0o777 == 0o600
    key = _key(world)
    assert (_folder(world) / "keys" / f"{key.id}.pem").read_text() == key.pem
    found = _verified(world, key)
    assert (found.problems, found.witnesses, found.signed) == ((), 1, 1)


def test_another_process_writes_the_same_bytes_and_goes_on_with_the_same_key(world: World) -> None:
    _tell(world)
    Checkpoints(world.platform).write()
    before = {path.name: path.read_bytes() for path in _folder(world).iterdir() if path.is_file()}
    for path in list(_folder(world).glob("*.json")):
        path.unlink()
    assert Checkpoints(world.platform).write(), "as after a crash between signature and file"
    assert {path.name: path.read_bytes() for path in _folder(world).iterdir() if path.is_file()} == before
    _tell(world)
    assert Checkpoints(world.platform).write()
    assert (_verified(world, _key(world)).problems, len(_keys(world))) == ((), 1)


def test_a_renewed_key_is_vouched_for_by_the_one_before_which_is_removed(world: World) -> None:
    writer = Checkpoints(world.platform)
    _tell(world)
    writer.write()
    old = _key(world)
    notice = renew_key(world.platform, by="dana", reason="somebody left")
    assert notice.before == old.id
    assert [path.stem for path in _keys(world)] == [notice.key.id]
    assert writer.write()
    for trusted in (old, notice.key):
        found = _verified(world, trusted)
        assert (found.problems, found.signed, found.unvouched) == ((), 2, ())
    assert any("no trusted key" in problem.what for problem in _verified(world, new_key().public).problems)


def test_a_lost_key_is_replaced_and_the_log_says_that_nobody_vouched_for_the_new_one(world: World) -> None:
    _tell(world)
    Checkpoints(world.platform).write()
    lost = _key(world)
    _keys(world)[0].unlink()
    _tell(world)
    assert Checkpoints(world.platform).write()
    found = _verified(world)
    assert found.problems == ()
    assert [notice.before for notice in found.unvouched] == [lost.id]
    assert any("vouches" in problem.what for problem in _verified(world, lost).problems)
    assert _verified(world, lost, _key(world)).problems == ()


def test_who_works_elsewhere_names_no_key_and_renews_none(world: World) -> None:
    _tell(world)
    guest = Checkpoints(world.platform, names_keys=False)
    assert not guest.write(), "no key is named yet"
    assert not _folder(world).exists()
    Checkpoints(world.platform).write()
    _tell(world)
    assert guest.write(), "the key is at hand"
    away = [(path, path.read_bytes()) for path in _keys(world)]
    for path, _ in away:
        path.unlink()
    _tell(world)
    assert not guest.write()
    with pytest.raises(ConflictError, match="run this where the control plane runs"):
        renew_key(world.platform, by="dana", reason="")
    assert _keys(world) == []


def test_a_lake_where_nothing_may_be_removed_keeps_what_there_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Checkpoints(world.platform)
    for _ in range(2):
        _tell(world)
        writer.write()
        world.clock.advance(timedelta(minutes=1))
    world.clock.advance(timedelta(days=3))

    def refuse(_storage: object, name: str) -> None:
        raise BackendError(f"{name}: may not be removed")

    with monkeypatch.context() as locked:
        locked.setattr(FolderStorage, "remove", refuse)
        assert writer.thin() == 0
    assert writer.thin() == 1


def test_the_key_that_the_environment_names_signs_from_then_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(world)
    writer = Checkpoints(world.platform)
    writer.write()
    of_folder = _key(world)
    first, second = new_key(), new_key()
    paths = [str(key.write(tmp_path / "elsewhere")) for key in (first, second)]
    monkeypatch.setenv("TRIMTAB_AUDIT_KEY", paths[0])
    _tell(world)
    assert writer.write()
    monkeypatch.setenv("TRIMTAB_AUDIT_KEY", os.pathsep.join([paths[1], paths[0]]))
    _tell(world)
    assert writer.write()
    found = _verified(world, of_folder)
    assert (found.problems, found.signed, found.unvouched) == ((), 3, ())
    assert [notice.key.id for notice in found.notices] == [of_folder.id, first.public.id, second.public.id]
    with pytest.raises(ConflictError, match="TRIMTAB_AUDIT_KEY says which one signs"):
        renew_key(world.platform, by="dana", reason="")
    monkeypatch.setenv("TRIMTAB_AUDIT_KEY", str(tmp_path / "nowhere.pem"))
    _tell(world)
    with pytest.raises(ConfigError, match=r"nowhere\.pem: cannot be read"):
        writer.write()


def test_a_log_that_contradicts_its_checkpoint_gets_no_other(world: World) -> None:
    _tell(world)
    Checkpoints(world.platform).write()
    with world.platform.database.transaction() as connection:
        disarm(connection)
        head = checkpoint_now(connection, at_us=0)
        edit(connection, head.sequence, hash="f" * 64)
        connection.exec_driver_sql(f"UPDATE audit_head SET hash = '{'f' * 64}'")
    with pytest.raises(ConflictError, match="run `trimtab audit verify`"):
        Checkpoints(world.platform).write()
    _tell(world)
    with pytest.raises(ConflictError, match="nothing is signed any more"):
        Checkpoints(world.platform).write()
    assert len(_written(world)) == 1


def test_a_log_that_was_cut_is_not_signed_again(world: World) -> None:
    _tell(world, times=6)
    Checkpoints(world.platform).write()
    with world.platform.database.transaction() as connection:
        disarm(connection)
        set_head(connection, 3)
        cut(connection, 3)
    with pytest.raises(ConflictError, match="the log has no such entry"):
        Checkpoints(world.platform).write()
    _tell(world, times=9)
    with pytest.raises(ConflictError, match="the log says"):
        Checkpoints(world.platform).write()
    assert len(_written(world)) == 1


def test_a_damaged_checkpoint_does_not_end_the_row_and_is_told(world: World) -> None:
    writer = Checkpoints(world.platform)
    for _ in range(2):
        _tell(world)
        writer.write()
        world.clock.advance(timedelta(minutes=1))
    damaged = sorted(_folder(world).glob("*.json"))[-1]
    damaged.write_bytes(b"{")
    _tell(world)
    assert writer.write()
    assert Checkpoints(world.platform).thin() == 0
    [problem] = _verified(world).problems
    assert problem.sequence == int(damaged.stem[-12:])


def test_old_checkpoints_get_fewer_and_the_rest_still_fits_together(world: World) -> None:
    writer = Checkpoints(world.platform)
    for _ in range(12):
        _tell(world)
        writer.write()
        world.clock.advance(timedelta(minutes=20))
    all_of_them = _written(world)
    assert len(all_of_them) == 12
    assert writer.thin() == 0
    world.clock.advance(timedelta(days=3))
    assert writer.thin() == 8, "one of each of the four hours is left"
    assert _written(world) == all_of_them[::3]
    _tell(world)
    writer.write()
    assert (_verified(world, _key(world)).problems, _verified(world).witnesses) == ((), 5)
    world.clock.advance(timedelta(days=70))
    assert Checkpoints(world.platform).thin() == 3, "another process finds what there is"
    assert _written(world) == [all_of_them[0], all_of_them[-1] + 1]
    assert len(list(_folder(world).glob("*.sig"))) == 2
    assert _verified(world).problems == ()
