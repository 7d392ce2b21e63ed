"""Whether a challenger may become champion, and its way there and back."""
