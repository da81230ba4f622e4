"""Decides what an operator tells a Kinguin channel."""

from __future__ import annotations

from pydantic import Field, SecretStr

from connectors.kit.connector import Options


class KinguinOptions(Options):
    """The seller's API client, the token Kinguin is to show us, and the hosts."""

    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    # We make this up; Kinguin sends it back as a header of every webhook, and nothing else proves them.
    webhook_token: SecretStr = Field(min_length=16)
    base_url: str = "https://gateway.kinguin.net/sales-manager-api"
    auth_url: str = "https://id.kinguin.net/auth/token"
    webhooks_url: str = "https://gateway.kinguin.net/envoy2/api/v1"
    # Offers whose codes are images: none of their stock is declared as text.
    image_offers: frozenset[str] = frozenset()
    # How far back the very first pull looks.
    first_pull_hours: int = Field(default=24, ge=1, le=24 * 90)
    # How much of the time already read every pull reads again.
    overlap_seconds: int = Field(default=300, ge=60, le=86_400)
    # How often refunds of older orders are looked for, and how old those orders may be.
    refund_sweep_seconds: int = Field(default=300, ge=0)
    refund_sweep_days: int = Field(default=30, ge=1, le=366)
