"""`clankvox demo`: a whole call, driven as a parent drives it, against the offline Discord, with a report."""
