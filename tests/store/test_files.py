"""Files and folders are whole or absent; the disk's refusals are told in words."""

import errno
import os

import pytest

from undertow.errors import UserError
from undertow.store import files
from undertow.store.files import atomic_dir, atomic_write, disk_errors, make_folder, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half_and_fail(path):
    path.write_text("half")
    raise FileNotFoundError(errno.ENOENT, "an input is missing")


def test_write_replaces_the_whole_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(target) as temporary:
        write_half_and_fail(temporary)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_temporary_name_keeps_the_ending(tmp_path):
    with atomic_write(tmp_path / "a.parquet") as temporary:
        assert temporary.suffix == ".parquet"
        temporary.touch()


def test_a_folder_appears_whole(tmp_path):
    with atomic_dir(tmp_path / "out") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "x").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "sub" / "x").read_text() == "1"
    assert names(tmp_path) == ["out"]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_dir(tmp_path / "out") as temporary:
        write_half_and_fail(temporary / "x")
    assert names(tmp_path) == []


def test_a_folder_with_content_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    with atomic_dir(tmp_path / "out") as temporary:
        (temporary / "x").write_text("1")
    with pytest.raises(UserError, match="name is taken"), atomic_dir(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "x").read_text() == "1"


def test_text_is_utf8_whatever_the_locale(tmp_path):
    write_text(tmp_path / "a", "eule \u00b7 \u4e2d")
    assert (tmp_path / "a").read_bytes() == "eule \u00b7 \u4e2d".encode()


@pytest.mark.parametrize("atomic", [atomic_write, atomic_dir])
def test_missing_parent(tmp_path, atomic):
    with pytest.raises(UserError, match="folder is missing") as caught, atomic(tmp_path / "no/a"):
        pass
    assert caught.value.where == str(tmp_path / "no")


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="folder has this name"), atomic_write(tmp_path / "a"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_by_number(tmp_path, number):
    with pytest.raises(UserError, match="disk is full") as caught, atomic_write(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert caught.value.where == str(tmp_path / "a")
    assert caught.value.fix


def test_full_disk_in_the_words_of_a_library(tmp_path):
    with pytest.raises(UserError, match="disk is full"), atomic_write(tmp_path / "a"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_full_disk_for_real(tmp_path):
    with (
        pytest.raises(UserError, match="disk is full"),
        disk_errors(tmp_path),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"1")


def test_full_disk_at_the_last_moment(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "sync", refuse)
    with pytest.raises(UserError, match="disk is full"), atomic_write(tmp_path / "a") as temporary:
        temporary.write_text("1")
    assert names(tmp_path) == []


def test_permission_names_the_file_that_was_refused(tmp_path):
    with pytest.raises(UserError, match="permission") as caught, disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "no", "/somewhere/else")
    assert caught.value.where == "/somewhere/else"


def test_other_errors_pass(tmp_path):
    with pytest.raises(FileNotFoundError), disk_errors(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_a_user_error_keeps_its_words(tmp_path):
    with pytest.raises(UserError, match="line 3"), atomic_write(tmp_path / "a"):
        raise UserError("line 3")


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "a").touch()
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(UserError, match="file stands"):
            make_folder(path)


def test_leftovers_go_and_other_hidden_files_stay(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in (".0123abcd-x.json", "sub/.0123abcd-y", ".hidden", "plain"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".hidden", "plain", "sub"]
    assert names(tmp_path / "sub") == []
