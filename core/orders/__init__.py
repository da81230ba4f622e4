"""Decides the life of an order: intake, moves, fulfilment, cancellation, replacement."""
