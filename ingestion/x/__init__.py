"""X, by tweepy: recent search and the filtered stream."""
