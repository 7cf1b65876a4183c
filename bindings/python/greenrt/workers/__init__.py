"""Workers for servers that start processes themselves."""
