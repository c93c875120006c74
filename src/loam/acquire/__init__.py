"""From services to the user's folders: what is there, what is fetched, and a receipt of each file."""
