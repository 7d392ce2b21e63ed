"""Reddit, by praw: search, live streams, and what was deleted there."""
