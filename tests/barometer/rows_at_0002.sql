INSERT INTO events (id, slug, title, keywords, sources, created_at) VALUES
  (1, 'vote', 'Vote', '["vote", "city vote"]', '["rss"]', '2026-01-01 00:00:00.000000+00');
INSERT INTO posts (id, source, external_id, text, author, details, created_at, scored_at, emotion,
                   confidence, emotions, sentiment, sentiment_confidence, sentiments,
                   sentiment_score, model_version) VALUES
  (5, 's', 'x5', 'The city vote 🎉', 'sam', '{"likes": 5}', '2026-01-01 23:59:58.250000+00',
   '2026-01-02 00:00:00.000000+00', 'joy', 0.5, '{"joy": 0.5}', 'positive', 0.75, '{}', 0.5, '1'),
  (6, 's', 'x6', 'nothing', NULL, '{}', '2026-01-02 00:00:01.000000+00',
   '2026-01-02 00:00:02.000000+00', NULL, NULL, NULL, 'positive', 0.75, '{}', 0.5, '1'),
  (9, 's', 'x9', 'vote?', NULL, '{}', '2026-01-02 00:30:00.000000+00',
   '2026-01-02 00:30:01.000000+00', 'fear', 0.25, '{}', 'positive', 0.75, '{}', 0.5, '1');
INSERT INTO post_events (event_id, post_id, created_at) VALUES
  (1, 5, '2026-01-01 23:59:58.250000+00'),
  (1, 9, '2026-01-02 00:30:00.000000+00');
INSERT INTO rollups (event_id, minute, source, emotion, sentiment, posts, confidence_sum,
                     sentiment_sum) VALUES
  (0, '2026-01-01 23:59:00.000000+00', 's', 'joy', 'positive', 1, 0.5, 0.5),
  (1, '2026-01-01 23:59:00.000000+00', 's', 'joy', 'positive', 1, 0.5, 0.5),
  (0, '2026-01-02 00:00:00.000000+00', 's', '', 'positive', 1, 0, 0.5),
  (0, '2026-01-02 00:30:00.000000+00', 's', 'fear', 'positive', 1, 0.25, 0.5),
  (1, '2026-01-02 00:30:00.000000+00', 's', 'fear', 'positive', 1, 0.25, 0.5);
INSERT INTO source_states (source, key, position, posts, last_ok_at, last_error, updated_at) VALUES
  ('rss', 'vote', '{}', 3, NULL, 'torn', '2026-01-02 00:00:00.000000+00');
INSERT INTO drift_reports (id, name, created_at, window_start, window_end, posts, model_version,
                           reference, drifted, columns) VALUES
  (2, 'drift', '2026-01-02 00:00:00.000000+00', '2026-01-01 00:00:00.000000+00',
   '2026-01-02 00:00:00.000000+00', 3, '1', 'rows', false, '{}');
