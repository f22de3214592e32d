-- What the server does by itself: numbers, times, tombstones, members, invites, retention.

CREATE TRIGGER teams_created AFTER INSERT ON teams
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE teams SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER teams_raced BEFORE UPDATE OF version ON teams
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER teams_changed AFTER UPDATE OF version ON teams
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE teams SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER teams_erased AFTER UPDATE OF version ON teams
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE teams SET
    name = 'erased',
    created_at = NULL,
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_members_created AFTER INSERT ON team_members
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_members SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_members_raced BEFORE UPDATE OF version ON team_members
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER team_members_changed AFTER UPDATE OF version ON team_members
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_members SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_members_erased AFTER UPDATE OF version ON team_members
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE team_members SET
    email = '',
    display_name = NULL,
    joined_at = NULL,
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_invites_created AFTER INSERT ON team_invites
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_invites SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_invites_raced BEFORE UPDATE OF version ON team_invites
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER team_invites_changed AFTER UPDATE OF version ON team_invites
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_invites SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_invites_erased AFTER UPDATE OF version ON team_invites
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE team_invites SET
    code = lower(hex(randomblob(16))),
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER shared_sessions_created AFTER INSERT ON shared_sessions
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE shared_sessions SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER shared_sessions_raced BEFORE UPDATE OF version ON shared_sessions
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER shared_sessions_changed AFTER UPDATE OF version ON shared_sessions
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE shared_sessions SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER shared_sessions_erased AFTER UPDATE OF version ON shared_sessions
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE shared_sessions SET
    session_id = '',
    title = '',
    start_time = NULL,
    end_time = NULL,
    planned_duration_minutes = 1,
    actual_duration_seconds = NULL,
    completed = 0,
    shared_at = NULL,
    notes = '[]',
    links = '[]',
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_comments_created AFTER INSERT ON team_comments
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_comments SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_comments_raced BEFORE UPDATE OF version ON team_comments
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER team_comments_changed AFTER UPDATE OF version ON team_comments
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE team_comments SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER team_comments_erased AFTER UPDATE OF version ON team_comments
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE team_comments SET
    trace_id = '',
    span_id = NULL,
    author = '',
    body = '',
    created_at = NULL,
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER saved_queries_created AFTER INSERT ON saved_queries
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE saved_queries SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER saved_queries_raced BEFORE UPDATE OF version ON saved_queries
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER saved_queries_changed AFTER UPDATE OF version ON saved_queries
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE saved_queries SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER saved_queries_erased AFTER UPDATE OF version ON saved_queries
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE saved_queries SET
    name = '',
    description = '',
    language = '',
    query = '',
    created_at = NULL,
    more = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

CREATE TRIGGER synced_entities_created AFTER INSERT ON synced_entities
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE synced_entities SET
    deleted = 0,
    erase = 0,
    deleted_at = NULL,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER synced_entities_raced BEFORE UPDATE OF version ON synced_entities
WHEN NEW.version <> OLD.version + 1
BEGIN
  SELECT RAISE(ABORT, 'this is not the version that follows');
END;

CREATE TRIGGER synced_entities_changed AFTER UPDATE OF version ON synced_entities
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE synced_entities SET
    deleted_at = CASE WHEN NEW.deleted = 1 THEN COALESCE(
      OLD.deleted_at, CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    ) END,
    erase = CASE WHEN NEW.deleted = 1 THEN NEW.erase ELSE 0 END,
    updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER),
    server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = NEW.id;
END;

CREATE TRIGGER synced_entities_erased AFTER UPDATE OF version ON synced_entities
WHEN NEW.deleted = 1 AND NEW.erase = 1
BEGIN
  UPDATE synced_entities SET
    document = '{}',
    last_modified = NULL
  WHERE id = NEW.id;
END;

-- Members.

CREATE TRIGGER teams_owned AFTER INSERT ON teams
BEGIN
  INSERT INTO team_members (team_id, user_id, email, role, joined_at, op_id)
  SELECT
    NEW.id, u.id, COALESCE(u.email, ''), 'owner',
    strftime('%Y-%m-%dT%H:%M:%fZ', julianday('now')), NEW.op_id
  FROM _user AS u WHERE u.id = NEW.owner;
END;

-- Two owners who step down at once both pass the rule; the second is refused here.
CREATE TRIGGER team_members_led BEFORE UPDATE OF version ON team_members
WHEN OLD.role = 'owner' AND OLD.deleted = 0 AND (NEW.role <> 'owner' OR NEW.deleted = 1)
  AND NEW.user_id IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM team_members AS o
    WHERE o.team_id = OLD.team_id AND o.id <> OLD.id AND o.role = 'owner' AND o.deleted = 0
  )
  AND (NEW.deleted = 0 OR EXISTS (
    SELECT 1 FROM team_members AS o
    WHERE o.team_id = OLD.team_id AND o.id <> OLD.id AND o.deleted = 0
  ))
BEGIN
  SELECT RAISE(ABORT, 'a team has an owner');
END;

-- An account that is deleted leaves its teams.
CREATE TRIGGER team_members_gone AFTER UPDATE OF user_id ON team_members
WHEN NEW.user_id IS NULL AND OLD.user_id IS NOT NULL
BEGIN
  UPDATE team_members SET deleted = 1, erase = 1, version = version + 1 WHERE id = NEW.id;
END;

CREATE TRIGGER team_members_left AFTER UPDATE OF version ON team_members
WHEN NEW.deleted = 1 AND OLD.deleted = 0
  AND NOT EXISTS (SELECT 1 FROM team_members AS o WHERE o.team_id = NEW.team_id AND o.deleted = 0)
BEGIN
  UPDATE teams SET deleted = 1, version = version + 1, op_id = NEW.op_id
  WHERE id = NEW.team_id AND deleted = 0;
END;

-- Invites and joins. The rule of `team_joins` says the same with 403; here it is said atomically.

CREATE TRIGGER team_joins_invited BEFORE INSERT ON team_joins
WHEN NOT EXISTS (
  SELECT 1 FROM team_invites AS i JOIN teams AS t ON t.id = i.team_id
  WHERE i.code = NEW._code AND i.deleted = 0 AND t.deleted = 0 AND i.uses < i.uses_max
    AND i.expires_at > CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
)
BEGIN
  SELECT RAISE(ABORT, 'no such invite');
END;

CREATE TRIGGER team_joins_once BEFORE INSERT ON team_joins
WHEN EXISTS (
  SELECT 1 FROM team_invites AS i JOIN team_members AS m ON m.team_id = i.team_id
  WHERE i.code = NEW._code AND m.user_id = NEW.owner AND m.deleted = 0
)
BEGIN
  SELECT RAISE(ABORT, 'a member already');
END;

CREATE TRIGGER team_joins_done AFTER INSERT ON team_joins
BEGIN
  INSERT INTO team_members (id, team_id, user_id, email, display_name, role, joined_at, op_id)
  SELECT
    NEW.id, i.team_id, u.id, COALESCE(u.email, ''), NEW.display_name, i.role,
    strftime('%Y-%m-%dT%H:%M:%fZ', julianday('now')), i.op_id
  FROM team_invites AS i JOIN _user AS u ON u.id = NEW.owner
  WHERE i.code = NEW._code
  ON CONFLICT (team_id, user_id) DO UPDATE SET
    deleted = 0,
    erase = 0,
    version = team_members.version + 1,
    role = excluded.role,
    email = excluded.email,
    display_name = excluded.display_name,
    joined_at = excluded.joined_at,
    op_id = NULL;
  UPDATE team_joins SET
    team_id = (SELECT i.team_id FROM team_invites AS i WHERE i.code = NEW._code),
    joined_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE id = NEW.id;
  UPDATE team_joins SET
    member_id = (
      SELECT m.id FROM team_members AS m
      WHERE m.team_id = team_joins.team_id AND m.user_id = NEW.owner
    ),
    _code = NULL
  WHERE id = NEW.id;
  UPDATE team_invites SET uses = uses + 1, version = version + 1 WHERE code = NEW._code;
  -- Whoever comes in may have pulled teams up to a number past this one's: it gets a new number.
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE teams SET server_seq = (SELECT seq FROM clew_sequence)
  WHERE id = (SELECT j.team_id FROM team_joins AS j WHERE j.id = NEW.id);
END;

CREATE TRIGGER team_members_back AFTER UPDATE OF version ON team_members
WHEN NEW.deleted = 0 AND OLD.deleted = 1
BEGIN
  UPDATE clew_sequence SET seq = seq + 1;
  UPDATE teams SET server_seq = (SELECT seq FROM clew_sequence) WHERE id = NEW.team_id;
END;

-- Tombstones go when they are older than `clew_info.tombstone_days`, looked at with every 256th
-- change. Teams and members are few, and stay: whoever was removed learns of it when they come back.

CREATE TRIGGER clew_sequence_swept AFTER UPDATE OF seq ON clew_sequence
WHEN NEW.seq % 256 = 0
BEGIN
  UPDATE clew_info SET purged_seq = MAX(
    purged_seq,
    COALESCE((
      SELECT MAX(server_seq) FROM team_invites
      WHERE deleted_at < CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    ), 0),
    COALESCE((
      SELECT MAX(server_seq) FROM shared_sessions
      WHERE deleted_at < CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    ), 0),
    COALESCE((
      SELECT MAX(server_seq) FROM team_comments
      WHERE deleted_at < CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    ), 0),
    COALESCE((
      SELECT MAX(server_seq) FROM saved_queries
      WHERE deleted_at < CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    ), 0),
    COALESCE((
      SELECT MAX(server_seq) FROM synced_entities
      WHERE deleted_at < CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    ), 0)
  );
  DELETE FROM team_invites WHERE deleted_at < (
    SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    FROM clew_info
  );
  DELETE FROM shared_sessions WHERE deleted_at < (
    SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    FROM clew_info
  );
  DELETE FROM team_comments WHERE deleted_at < (
    SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    FROM clew_info
  );
  DELETE FROM saved_queries WHERE deleted_at < (
    SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    FROM clew_info
  );
  DELETE FROM synced_entities WHERE deleted_at < (
    SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - tombstone_days * 86400000
    FROM clew_info
  );
END;
