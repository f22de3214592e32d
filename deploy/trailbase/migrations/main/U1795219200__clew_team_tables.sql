-- Tables of a team that shares what it finds with clew, for a TrailBase server.
--
-- Every table that is pulled has the columns of the sync: `version` counts the changes of a row and
-- is named by whoever changes it; triggers stamp `updated_at`, by this server's clock, and
-- `server_seq`, from one counter for all tables, so that a client asks for what came after a number.
-- Nothing is deleted by a client: `deleted = 1` makes a tombstone, which is pulled like any change.
-- Triggers that follow a change are `UPDATE OF version`: what they write themselves does not fire them.
--
-- docs/internals/team.md says what a client may rely on.

CREATE TABLE clew_info (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  schema_version INTEGER NOT NULL,
  tombstone_days INTEGER NOT NULL CHECK (tombstone_days >= 1),
  purged_seq INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO clew_info (id, schema_version, tombstone_days) VALUES (1, 1, 180);

CREATE TABLE clew_sequence (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL
) STRICT;

INSERT INTO clew_sequence (id, seq) VALUES (1, 0);

CREATE TABLE teams (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  name TEXT NOT NULL CHECK (length(trim(name)) BETWEEN 1 AND 100),
  created_at TEXT,
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX teams_by_seq ON teams (server_seq);

CREATE TABLE team_members (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  user_id BLOB REFERENCES _user (id) ON DELETE SET NULL,
  email TEXT NOT NULL DEFAULT '',
  display_name TEXT,
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  joined_at TEXT,
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE UNIQUE INDEX team_members_once ON team_members (team_id, user_id);
CREATE INDEX team_members_by_user ON team_members (user_id);
CREATE INDEX team_members_by_seq ON team_members (team_id, server_seq);

CREATE TABLE team_invites (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  code TEXT NOT NULL UNIQUE CHECK (length(code) BETWEEN 22 AND 200),
  role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member')),
  expires_at INTEGER NOT NULL,
  uses_max INTEGER NOT NULL DEFAULT 1 CHECK (uses_max BETWEEN 1 AND 1000),
  uses INTEGER NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND uses_max),
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX team_invites_by_seq ON team_invites (team_id, server_seq);
CREATE INDEX team_invites_by_end ON team_invites (deleted_at);

-- Whoever is invited writes a row here: they know a code and may read nothing yet.
CREATE TABLE team_joins (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  _code TEXT,
  display_name TEXT,
  team_id BLOB,
  member_id BLOB,
  joined_at INTEGER
) STRICT;

-- A work session as its owner shared it. `session_id` names it at home.
CREATE TABLE shared_sessions (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  session_id TEXT NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  start_time TEXT,
  end_time TEXT,
  planned_duration_minutes INTEGER NOT NULL CHECK (planned_duration_minutes BETWEEN 1 AND 480),
  actual_duration_seconds INTEGER CHECK (actual_duration_seconds >= 0),
  completed INTEGER NOT NULL DEFAULT 0 CHECK (completed IN (0, 1)),
  shared_at TEXT,
  notes TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(notes)),
  links TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(links)),
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX shared_sessions_by_seq ON shared_sessions (team_id, server_seq);
CREATE INDEX shared_sessions_by_end ON shared_sessions (deleted_at);

-- What somebody said of a trace, or of one span in it.
CREATE TABLE team_comments (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  trace_id TEXT NOT NULL DEFAULT '',
  span_id TEXT,
  author TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL,
  created_at TEXT,
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX team_comments_by_seq ON team_comments (team_id, server_seq);
CREATE INDEX team_comments_by_end ON team_comments (deleted_at);

-- A question that is worth asking again.
CREATE TABLE saved_queries (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  language TEXT NOT NULL DEFAULT '',
  query TEXT NOT NULL,
  created_at TEXT,
  more TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(more)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX saved_queries_by_seq ON saved_queries (team_id, server_seq);
CREATE INDEX saved_queries_by_end ON saved_queries (deleted_at);

-- Anything else: kinds that a program of the team's own brings.
CREATE TABLE synced_entities (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid_v7(id)) DEFAULT (uuid_v7()),
  team_id BLOB NOT NULL REFERENCES teams (id),
  owner BLOB REFERENCES _user (id) ON DELETE SET NULL,
  entity_type TEXT NOT NULL CHECK (length(entity_type) BETWEEN 1 AND 64),
  document TEXT NOT NULL CHECK (json_valid(document)),
  last_modified TEXT,
  version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
  op_id TEXT,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
  erase INTEGER NOT NULL DEFAULT 0 CHECK (erase IN (0, 1)),
  updated_at INTEGER NOT NULL DEFAULT 0,
  server_seq INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER
) STRICT;

CREATE INDEX synced_entities_by_seq ON synced_entities (team_id, server_seq);
CREATE INDEX synced_entities_by_end ON synced_entities (deleted_at);

CREATE VIEW team_activity AS
SELECT
  s.id, s.team_id, s.owner, m.email, m.display_name, s.title, s.start_time,
  s.planned_duration_minutes, s.actual_duration_seconds, s.completed, s.shared_at, s.server_seq
FROM shared_sessions AS s
LEFT JOIN team_members AS m ON m.team_id = s.team_id AND m.user_id = s.owner
WHERE s.deleted = 0;
