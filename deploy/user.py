"""Add a user to MLflow: `python deploy/user.py NAME`, the new password in NEW_PASSWORD.

The server's address, and an administrator's name and password, stand in MLFLOW_TRACKING_URI,
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

import os
import sys

from mlflow.server import get_app_client

client = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
user = client.create_user(sys.argv[1], os.environ["NEW_PASSWORD"])
sys.stdout.write(f"{user.username}: may log in; by default_permission of mlflow-auth.ini\n")
