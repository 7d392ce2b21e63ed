"""newsapi.org, by its client: articles and headlines."""
