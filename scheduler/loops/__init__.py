"""The loops of a channel: push offers, pull orders, deliver codes, reconcile, read payouts."""
