"""An offline Discord: voice gateway, SFU and DAVE delivery service. It shares only wire/ with the client."""
