"""Decides what is worth a person's attention: rules over readings, incidents, notices of them."""
