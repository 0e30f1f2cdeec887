"""The benchmark: what starts the servers, loads them and reads what it cost."""
