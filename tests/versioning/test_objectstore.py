"""What an object store refuses is one line; what is wrong on this disk stays what it is."""

import pytest

from tasks.errors import EspalierError, lost_connection
from tasks.versioning.objectstore import let_in


def raised(name):
    """An exception as a store's library has it, which need not be installed."""
    return type(name, (Exception,), {"__module__": "botocore.exceptions"})


def test_missing_credentials_are_told_by_the_variables_that_hold_them():
    with (
        pytest.raises(EspalierError, match=r"Unable to locate credentials.*AWS_ACCESS_KEY_ID") as told,
        let_in(),
    ):
        raise raised("NoCredentialsError")("Unable to locate credentials")
    assert not lost_connection(told.value)


def test_a_store_that_is_away_is_worth_another_try():
    with pytest.raises(EspalierError, match="cannot be used") as told, let_in():
        raise raised("EndpointConnectionError")("Could not connect to the endpoint")
    assert lost_connection(told.value)


def test_a_refused_key_names_no_file_and_is_the_stores():
    with pytest.raises(EspalierError, match="Forbidden"), let_in():
        raise PermissionError("Forbidden")


def test_a_file_of_this_disk_that_may_not_be_read_is_no_matter_of_the_store(tmp_path):
    with pytest.raises(PermissionError), let_in():
        raise PermissionError(13, "Permission denied", str(tmp_path))
