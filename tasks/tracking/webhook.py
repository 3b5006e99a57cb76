"""MLflow tells of aliases that move, where its server may call back."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.tracking.store import open_client, reported

__all__ = ["subscribe"]


def subscribe(root: Path, url: str) -> None:
    """Have MLflow call `url` whenever an alias of a registered model is set or deleted.

    What this workspace had MLflow call before is called no more. Nothing is signed: whoever is called learns
    that there is something to look at, and nothing else.

    Raises
    ------
    EspalierError
        When the server does not call such addresses.
    """
    name = f"espalier-aliases-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"
    with reported(root):
        client = open_client(root)
        for webhook in client.list_webhooks(max_results=1000):
            if webhook.name == name:
                client.delete_webhook(webhook.webhook_id)
        client.create_webhook(name, url, ["model_version_alias.created", "model_version_alias.deleted"])
