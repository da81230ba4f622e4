"""Sandbox marketplaces: real HTTP servers that speak the protocols, sell, and misbehave when told to."""
