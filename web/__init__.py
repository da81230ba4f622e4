"""Lets people and marketplaces in: REST API, marketplace callbacks, console."""
