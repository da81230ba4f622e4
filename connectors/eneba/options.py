"""Decides what an operator writes for an Eneba channel."""

from __future__ import annotations

from pydantic import Field, SecretStr

from connectors.kit.connector import Options


class EnebaOptions(Options):
    """Credentials come from the dashboard of Eneba; README.md says where."""

    # The public client id of the environment, from Eneba's getting-started page: not a secret.
    client_id: str = Field(min_length=1)
    auth_id: SecretStr = Field(min_length=1)
    auth_secret: SecretStr = Field(min_length=1)
    # Chosen by the operator: what Eneba's callbacks must carry as their bearer value.
    callback_token: SecretStr = Field(min_length=16, max_length=512)
    base_url: str = "https://api.eneba.com/graphql/"
    auth_url: str = "https://user.eneba.com/oauth/token"
    # How long a call waits for Eneba to carry out what it accepted, and how often it looks.
    action_wait_seconds: float = Field(default=20.0, ge=0, le=300)
    action_poll_seconds: float = Field(default=0.5, gt=0, le=30)
