"""Pages on money: who has what, statements, discrepancies, settlements, campaigns."""
