"""`clankvox doctor`: does this installation compute what it must, and is this machine fit to send in time."""
