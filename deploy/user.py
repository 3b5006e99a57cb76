"""Add a user to MLflow: `python deploy/user.py NAME [MODEL ...]`, the password in NEW_PASSWORD.

The user may promote versions of the models named. Without NEW_PASSWORD one that is there is given that right.
The server's address, and an administrator's name and password, stand in MLFLOW_TRACKING_URI,
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

import os
import sys

from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client

client = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
name, models = sys.argv[1], sys.argv[2:]
try:
    if "NEW_PASSWORD" in os.environ:
        client.create_user(name, os.environ["NEW_PASSWORD"])
        sys.stdout.write(f"{name}: added\n")
    for model in models:
        client.grant_user_permission(name, "registered_model", model, "MANAGE")
        sys.stdout.write(f"{name}: may promote {model}\n")
except MlflowException as error:
    sys.exit(f"{name}: {error}")
