"""What the system tests share: the program as a process, HTTP as bytes, databases."""
