import pytest

from tasks.errors import ConfigError, Problem, closest, lost_connection, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:hun/ter2@host/db", "postgresql://:***@host/db"),
        ("mysql://host/db?user=me&password=hunter2&ssl=1", "mysql://host/db?user=me&password=***&ssl=1"),
        (
            "mssql:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter%402%3BX%3D1",
            "mssql:///?odbc_connect=UID%3Dme%3BPWD%3D***%3BX%3D1",
        ),
        ("x://me:a${PW}@host", "x://me:***@host"),
    ],
)
def test_a_password_that_is_spelt_out_is_struck_out(text, shown):
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:${PW}@host:5432/db",
        "mysql://host/db?password=${PW}&ssl=1",
        "sqlite:///C:/data@home/x.db",
        "package:mnist",
        "no password here",
    ],
)
def test_what_holds_no_password_stays(text):
    assert masked(text) == text


def test_no_configuration_error_shows_a_password():
    problems = [
        Problem("source.uri", "x://me:hunter2@h", "rule about x://me:hunter2@h"),
        Problem("source.uri:x://me:hunter2@h", None, "must read key.path=value"),
    ]
    assert "hunter2" not in str(ConfigError(problems))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("epoch", "epochs"), ("epcohs", "epochs"), ("EPOCHS", "epochs"), ("batchs", "batch"), ("rl", "lr")],
)
def test_a_misspelt_name_is_recognised(word, meant):
    assert closest(word, ["epochs", "batch", "lr", "optimizer"]) == meant


@pytest.mark.parametrize("word", ["momentum", "back", "x", "", None, 7, "optical"])
def test_what_is_like_no_name_is_not_guessed_at(word):
    assert closest(word, ["epochs", "batch", "lr", "optimizer"]) is None


def test_of_several_alike_the_nearest_is_meant():
    assert closest("max_byte", ["max_macs", "max_bytes"]) == "max_bytes"
    assert closest("Ages", ["Pages 1", "Age"]) == "Age"


def raised_while_handling(first, then):
    """Return an error that was raised while another was handled, and does not name it."""
    try:
        try:
            raise first
        except type(first):
            raise then  # noqa: B904 - as others do it
    except type(then) as error:
        return error


def test_an_error_raised_while_a_connection_s_was_handled_came_from_it():
    assert lost_connection(raised_while_handling(ConnectionRefusedError(), RuntimeError("failed")))
    assert not lost_connection(raised_while_handling(KeyError("name"), RuntimeError("failed")))
    silenced = raised_while_handling(ConnectionRefusedError(), RuntimeError("failed"))
    silenced.__suppress_context__ = True
    assert not lost_connection(silenced)


def test_an_error_among_anothers_arguments_is_what_it_came_from():
    assert lost_connection(RuntimeError("Connection aborted.", ConnectionResetError()))
    assert not lost_connection(RuntimeError("a mistake", ValueError()))
