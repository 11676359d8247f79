"""Writing: whole or not at all, and nothing that nagevo did not write is ever removed."""

import json
import os
import shutil
from itertools import count

import pytest

from nagevo.foundation import writing
from nagevo.foundation.errors import OutputError
from nagevo.foundation.writing import adding, check_folder, checksum, replacing, replacing_folder


def contents(folder):
    """Return the bytes of every file below a folder, hidden ones too, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(folder, **files):
    """Write files into a folder by :func:`replacing_folder`; ``sub__a`` is the file a in the folder sub."""
    with replacing_folder(folder, "list.json") as new:
        for name, text in files.items():
            path = new / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def test_a_file_keeps_its_content_when_writing_it_anew_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert contents(tmp_path) == {"file.txt": b"old"}


def test_a_failed_file_leaves_no_new_parents(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "a/b/file.txt"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_through_a_link_and_keeps_its_permissions(tmp_path):
    (tmp_path / "file.txt").write_text("old")
    (tmp_path / "file.txt").chmod(0o600)
    (tmp_path / "link.txt").symlink_to("file.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "file.txt").read_text() == "new"
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o600


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path):
    with replacing(tmp_path / ("n" * 255)) as temporary:
        temporary.write_text("new")
    assert (tmp_path / ("n" * 255)).read_text() == "new"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "expected a file to write, got the folder"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to(path.name), "not a regular file"),
        (lambda path: (path.touch(), path.chmod(0o444)), "is read-only"),
    ],
)
def test_what_is_no_writable_file_is_refused_and_stays(tmp_path, make, message):
    make(tmp_path / "out")
    before = os.lstat(tmp_path / "out")
    with pytest.raises(OutputError, match=message), replacing(tmp_path / "out"):
        pytest.fail("the block ran")
    assert os.lstat(tmp_path / "out") == before
    assert len(list(tmp_path.iterdir())) == 1


def test_below_a_file_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OutputError, match="expected a folder to write to, got the file"):
        write(tmp_path / "file/folder", a="new")
    with (
        pytest.raises(OutputError, match="expected a folder to write to, got the file"),
        replacing(tmp_path / "file/a"),
    ):
        pytest.fail("the block ran")


def test_a_folder_lists_its_files_and_is_replaced_as_a_whole(tmp_path):
    write(tmp_path / "out", a="1", sub__b="2")
    assert set(json.loads((tmp_path / "out/list.json").read_text())["files"]) == {"a", "sub/b"}
    write(tmp_path / "out", a="3", c="4")
    assert set(contents(tmp_path)) == {"out/list.json", "out/a", "out/c"}
    assert not (tmp_path / "out/sub").exists()
    assert (tmp_path / "out/a").read_text() == "3"


@pytest.mark.parametrize("foreign", ["notes.txt", "a", "list.json", "sub/notes.txt", ".hidden"])
def test_a_folder_with_foreign_files_is_refused(tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text('{"files": {"a": "mine"}}')
    with pytest.raises(OutputError, match=f"holds {foreign}, which nagevo did not write there"):
        write(tmp_path, a="new")
    assert set(contents(tmp_path)) == {foreign}


def test_an_own_file_that_was_changed_is_refused(tmp_path):
    write(tmp_path, a="1")
    (tmp_path / "a").write_text("edited")
    with pytest.raises(OutputError, match="a, which was changed since"):
        write(tmp_path, a="2")
    assert (tmp_path / "a").read_text() == "edited"


def test_a_file_that_appears_while_writing_is_not_lost(tmp_path):
    def disturbed():
        with replacing_folder(tmp_path, "list.json") as new:
            (new / "a").write_text("new")
            (tmp_path / "a").write_text("foreign")

    with pytest.raises(OutputError, match="holds a"):
        disturbed()
    assert contents(tmp_path) == {"a": b"foreign"}


def test_a_folder_is_written_through_a_link_and_keeps_what_snakemake_put_there(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/.snakemake_timestamp").touch()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", a="1")
    write(tmp_path / "link", a="2")
    assert (tmp_path / "link").is_symlink()
    assert set(contents(tmp_path / "real")) == {".snakemake_timestamp", "a", "list.json"}


def test_a_linked_file_or_folder_in_a_folder_is_foreign(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b").write_text("mine")
    write(tmp_path / "out", sub__b="1")
    (tmp_path / "out/more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="holds more"):
        write(tmp_path / "out", sub__b="2")
    assert (tmp_path / "elsewhere/b").read_text() == "mine"


@pytest.mark.parametrize("folder", ["/", "/etc"])
def test_the_folders_of_the_system_are_refused(folder):
    with pytest.raises(OutputError, match=r"which nagevo did not write there|is read-only"):
        write(folder, a="1")


def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputError, match="is read-only"):
            write(tmp_path / "out", a="1")
    finally:
        tmp_path.chmod(0o755)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("move", range(4))  # of five: the last one puts the new manifest over the old one
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_replacement_that_is_interrupted_at_any_move_changes_nothing(tmp_path, monkeypatch, move, error):
    write(tmp_path, a="1", sub__b="2")
    before, moves, rename = contents(tmp_path), 0, os.rename

    def interrupted(source, place):
        nonlocal moves
        rename(source, place)
        moves += 1
        if moves == move + 1:
            raise error

    monkeypatch.setattr(writing.os, "rename", interrupted)
    with pytest.raises(error):
        write(tmp_path, a="3", new__c="4")
    assert contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "list.json", "sub"]


def test_what_a_killed_process_left_is_removed_but_not_what_a_running_one_uses(tmp_path):
    (tmp_path / ".nagevo-new-killed").mkdir()
    (tmp_path / ".nagevo-new-killed/a").write_text("half")
    with replacing_folder(tmp_path, "list.json") as first:
        assert not (tmp_path / ".nagevo-new-killed").exists()
        write(tmp_path, a="second")
        assert first.is_dir()
    assert set(contents(tmp_path)) == {"list.json"}


def test_entries_are_added_to_a_folder_and_replace_nothing(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with adding(tmp_path) as new:
        (new / "config").write_text("new")
    assert set(contents(tmp_path)) == {"mine", "config"}

    def add_again():
        with adding(tmp_path) as new:
            (new / "added").write_text("new")
            (new / "mine").write_text("new")

    with pytest.raises(OutputError, match="mine exists already"):
        add_again()
    assert contents(tmp_path) == {"mine": b"mine", "config": b"new"}


def killed(monkeypatch, call: int, action) -> bool:
    """Return whether a process that runs ``action`` is killed after so many changes of names of files and folders."""
    child = os.fork()
    if not child:
        calls = 0

        def counting(change):
            def changed(*args, **options):
                nonlocal calls
                change(*args, **options)
                calls += 1
                if calls == call:
                    os._exit(9)

            return changed

        for name in ("rename", "mkdir", "rmdir", "unlink"):
            monkeypatch.setattr(os, name, counting(getattr(os, name)))
        try:
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def renew(folder):
    write(folder, a="3", new__c="4", same__d="5")


def test_a_replacement_whose_process_is_killed_is_undone_or_complete(tmp_path, monkeypatch):
    states = []
    write(tmp_path / "old", a="1", sub__b="2", same__d="5")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    renew(tmp_path / "new")
    either = contents(tmp_path / "old"), contents(tmp_path / "new")
    for call in count(1):
        folder = shutil.copytree(tmp_path / "old", tmp_path / f"killed{call}")
        if not killed(monkeypatch, call, lambda folder=folder: renew(folder)):
            break
        for again in count(1):  # recovering can be killed too
            if not killed(monkeypatch, again, lambda folder=folder: check_folder(folder, "list.json")):
                break
        names = check_folder(folder, "list.json")
        state = {name: (folder / name).read_bytes() for name in names}
        states.append(either.index(state))
        write(folder, a="6")
        assert set(contents(folder)) == {"list.json", "a"}
        assert [path.name for path in sorted(folder.iterdir())] == ["a", "list.json"]
    assert states == sorted(states)
    assert states.count(0) > 8  # two folders, three files away and two of three new ones in their place
    assert states.count(1) > 1


def test_a_first_writing_whose_process_is_killed_is_undone(tmp_path, monkeypatch):
    for call in range(1, 8):
        folder = tmp_path / str(call)
        assert killed(monkeypatch, call, lambda folder=folder: renew(folder))
        write(folder, a="6")
        assert set(contents(folder)) == {"list.json", "a"}


def test_a_file_put_in_the_place_of_one_that_a_kill_left_away_is_kept(tmp_path, monkeypatch):
    write(tmp_path, a="1", b="2")
    # the staging folder, the one of earlier files, a and b away, a in its place
    assert killed(monkeypatch, 5, lambda: write(tmp_path, a="3", b="4"))
    (tmp_path / "a").write_text("mine")
    for _ in range(2):
        with pytest.raises(OutputError, match="holds a, which was changed"):
            write(tmp_path, a="5")
        assert (tmp_path / "a").read_text() == "mine"
        assert (tmp_path / "b").read_text() == "2"
    (tmp_path / "a").unlink()
    check_folder(tmp_path, "list.json")
    assert (tmp_path / "a").read_text() == "1"


def test_recovering_moves_no_file_into_or_out_of_the_folder(tmp_path):
    (tmp_path / "mine").write_text("mine")
    folder = tmp_path / "folder"
    for name in (".nagevo-new-x", ".nagevo-old-x"):
        (folder / name).mkdir(parents=True)
    digest = checksum(tmp_path / "mine")
    (folder / ".nagevo-new-x/list.json").write_text(json.dumps({"files": {"../mine": digest}}))
    (tmp_path / "elsewhere").mkdir()
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    (folder / ".nagevo-old-x/sub").mkdir()
    (folder / ".nagevo-old-x/sub/planted").write_text("foreign")
    with pytest.raises(OutputError, match="holds sub, which nagevo did not write there"):
        write(folder, a="1")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not list((tmp_path / "elsewhere").iterdir())
