// Generated from the server's OpenAPI document by `python -m clew.app.generate`; do not edit.

/** Which account, and which team of it, is meant where none is named. */
export interface AccountChoice {
	account?: string | null;
	team_id?: string | null;
}

/** A server and a user of it. */
export interface AccountHead {
	id: string;
	server: string;
	user_id: string;
	email: string;
	current: boolean;
}

/**
 * What one did in a time range: `sessions` ran in it, `open` of them still do.
 *
 * `hours` are those within the range, `findings` the notes and comments that were made in it.
 */
export interface Activity {
	owner: string;
	sessions: number;
	open: number;
	hours: number;
	findings: number;
	notes: number;
	comments: number;
	last_at: string;
}

/** Everybody's activity from `start_time` to `end_time`, the most hours first. */
export interface ActivityReport {
	start_time: string;
	end_time: string;
	members: Activity[];
	count: number;
	total: number;
	truncated: boolean;
}

/**
 * One agent in a time range.
 *
 * `runs` are its invocations, and the quantiles are theirs. A call of a model or tool belongs to
 * the agent that it names, else to the nearest one that it ran under. `named` is false for a
 * service whose calls ran under no agent at all: it stands here under its own name. `tools` are
 * the ones called most; `tools_left_out` more were called. `more_names` says that there are more
 * ids, services or models than are named here.
 */
export interface Agent {
	agent: string;
	named: boolean;
	agent_ids: string[];
	services: string[];
	models: string[];
	more_names: boolean;
	runs: number;
	run_failures: number;
	failure_rate: number;
	llm_calls: number;
	llm_failures: number;
	tool_calls: number;
	tool_failures: number;
	tools: ToolUsage[];
	tools_left_out: number;
	tokens: Tokens;
	cost: Cost;
	avg_ms: number | null;
	p50_ms: number | null;
	p95_ms: number | null;
	last_activity: string;
}

/**
 * Agents, most tokens first.
 *
 * `unresolved_calls` were not looked up, because the traces they lie in were too many spans: they
 * stand under their services.
 */
export interface AgentList {
	agents: Agent[];
	count: number;
	total: number;
	truncated: boolean;
	start_time: string;
	end_time: string;
	unresolved_calls?: number;
	next?: string | null;
}

/**
 * One figure of a service, operation or log pattern that is not what it was.
 *
 * `current` and `baseline` are in `unit`: errors of each span, milliseconds, records per second,
 * records. `ratio` is null where the baseline is 0. `effect_size` is how often the baseline
 * figure has to be doubled to be the current one, below 0 for halved; figures of 0 are counted as
 * half a record there. `superiority` is, for durations, the probability that a span of now takes
 * longer than one of the baseline. `p_value` is adjusted for all comparisons of the report, and
 * `confidence` is 1 less that. The counts are the spans or log records that were compared.
 */
export interface Anomaly {
	kind: "error_logs" | "error_rate" | "new_log_pattern" | "new_operation" | "new_service" | "p95_latency" | "throughput" | "vanished_operation" | "vanished_service";
	severity: "high" | "low" | "medium";
	service: string;
	operation: string | null;
	pattern: string | null;
	unit: "count" | "ms" | "per_second" | "share";
	current: number;
	baseline: number;
	delta: number;
	ratio: number | null;
	effect_size: number;
	superiority: number | null;
	p_value: number;
	confidence: number;
	current_count: number;
	baseline_count: number;
	description: string;
	exemplar_trace_id: string | null;
	query: Question;
}

/** What is not as it was, the worst first. An empty list is an answer: see `compared`. */
export interface AnomalyReport {
	window: Window;
	baseline: Window;
	current_seconds: number;
	baseline_seconds: number;
	service_filter: string | null;
	anomalies: Anomaly[];
	count: number;
	total: number;
	truncated: boolean;
	compared: Compared;
	notes: string[];
}

/**
 * One app as it stands.
 *
 * `path` are the ids from the root down to the app. `reason` and `actor` tell of the last
 * transition. `deadline` is when the server acts by itself. `confirmed` tells of a cancelled app
 * whether its end was witnessed. `held` is how an app has ended whose end is held back by
 * children. `result` is its Result or Error. `shard` is which server has it, where several were
 * asked.
 */
export interface App {
	app_id: string;
	parent_id: string | null;
	app_name: string;
	status: string;
	epoch: number;
	path: string[];
	namespace: string | null;
	reason: string;
	actor: string;
	confirmed: boolean;
	held: string | null;
	exit_code: number | null;
	sec_level: string;
	role_refs: string[];
	detached: boolean;
	originator: unknown;
	tags: unknown;
	scheduled_at: string;
	connected_at: string | null;
	started_at: string | null;
	disconnected_at: string | null;
	ended_at: string | null;
	deadline: string | null;
	last_snapshot: Said | null;
	result: Said | null;
	process: Record<string, unknown>;
	has_agent: boolean;
	crash: AppCrash | null;
	shard?: string;
}

/** The newest crash of an app; `recovered_at` is set when it turned out to have been none. */
export interface AppCrash {
	crash_type: string;
	epoch: number;
	at: string;
	gap_ms: number;
	recovered_at: string | null;
}

/**
 * Roles that one subject has for one app, and with `cascade` for all below it.
 *
 * It counts until `expires_at`; without, until it is removed.
 */
export interface AppGrant {
	id: string;
	app_id: string;
	sub: string;
	roles: string[];
	cascade: boolean;
	granted_by: string;
	created_at: string;
	expires_at: string | null;
}

/** One grant, as it is kept after a write (before it, when it was removed). */
export interface AppGrantAnswer {
	grant: AppGrant;
}

/** Grants that count, the newest first. */
export interface AppGrantList {
	grants: AppGrant[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** Apps in the order asked for. */
export interface AppList {
	apps: App[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/** An attribute key, where it occurs (span, resource, scope, event, log, metric), how often. */
export interface AttributeKey {
	key: string;
	place: string;
	count: number;
	values: number;
}

/** Attribute keys, most frequent first. */
export interface AttributeList {
	attributes: AttributeKey[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** One value of an attribute and how often it occurs. */
export interface AttributeValue {
	value: string;
	count: number;
}

/** Values of one attribute, most frequent first. */
export interface AttributeValueList {
	key: string;
	values: AttributeValue[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/**
 * Who asked for what, and whether it was allowed.
 *
 * `auth_domain` is how the caller was known: `local`, `external` (a key), `tree` (an app),
 * `server`, or `none` when it was not. `target` is what was asked for where it is no app.
 */
export interface AuditEntry {
	id: string;
	at: string;
	action: string;
	target: string | null;
	app_id: string | null;
	auth_domain: string;
	caller_kind: string;
	caller: string;
	allowed: boolean;
	cascade: boolean;
	correlation_id: string | null;
	detail: string;
	source_ip: string | null;
	user_agent: string | null;
}

/**
 * Entries, the newest first.
 *
 * `denials` were counted since the server started; of them, `unwritten` came too fast to be
 * written one by one.
 */
export interface AuditList {
	entries: AuditEntry[];
	count: number;
	truncated: boolean;
	denials: number;
	unwritten: number;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/** Counts of both windows. */
export interface BothTotals {
	current: Totals;
	baseline: Totals;
}

/**
 * What became of one app.
 *
 * `status` is the app's own, `phase` how far the cancel had to go: ``scheduled``, ``cooperative``,
 * ``term``, ``kill``, ``already_terminal``. `confirmed`: its end was witnessed.
 */
export interface CancelOutcome {
	app_id: string;
	app_name: string;
	status: string;
	phase: string;
	confirmed: boolean;
}

/**
 * A cancel and every app's outcome, the root first; final once it is `over`.
 *
 * Of a cascade, what had ended before it comes last, those that ended lately first. Of the
 * `ended_before` there may be more than are told: `left_out` is how many.
 */
export interface Cancelled {
	correlation_id: string;
	over: boolean;
	outcomes: CancelOutcome[];
	ended_before?: number;
	left_out?: number;
}

/** One figure of two windows; `ratio` is null where the baseline is 0. */
export interface Change {
	current: number;
	baseline: number;
	delta: number;
	ratio: number | null;
}

/** How many operations that was. */
export interface Changed {
	count: number;
}

/** The figures that `clew diff` compares; durations are exact and occurred. */
export interface Changes {
	spans_per_second: Change;
	error_rate: Change;
	p50_ms: Change;
	p95_ms: Change;
	p99_ms: Change;
	avg_ms: Change;
	log_errors_per_second: Change;
}

/** One thing that must be well for the server to be ready. */
export interface Check {
	name: string;
	ok: boolean;
	detail: string | null;
}

/** A child that was taken back before it started. */
export interface ChildCancelled {
	app: App;
}

/**
 * Roles that somebody has for one app and what is below it.
 *
 * `expires_at` is a time; a number is Unix seconds or finer units, told by its size.
 */
export interface ChildGrant {
	sub: string;
	roles: string[];
	expires_at?: string | number | null;
}

/**
 * A child that is announced.
 *
 * `join_token` lets it register once and is told this once; `trails_info` is what to put into the
 * environment of its process, with the token in it. Both are null when it was announced before,
 * and the second when the server has no door for apps.
 */
export interface ChildScheduled {
	app: App;
	created: boolean;
	join_token: string | null;
	trails_info: string | null;
}

/**
 * A command or a cancel: what was asked, and what came of it for each target, the root first.
 *
 * `over`: nothing of it is open any more.
 */
export interface Command {
	correlation_id: string;
	kind: string;
	action: string;
	app_id: string;
	over: boolean;
	cascade: boolean;
	requested_by: string;
	payload: unknown;
	created_at: string;
	expires_at: string;
	targets: CommandTarget[];
}

/**
 * What a command came to for one app.
 *
 * `status` is accepted, sent, done, failed, expired or cancelled; `app_status` is the app's own.
 * `ack` is what the app answered, null while it has not; `result` is JSON, null for none.
 */
export interface CommandTarget {
	app_id: string;
	app_name: string;
	status: string;
	app_status: string;
	ack: boolean | null;
	result: unknown;
	error: string | null;
	sent_at: string | null;
	acked_at: string | null;
	phase?: string | null;
	confirmed?: boolean | null;
}

/**
 * What somebody said of a trace, or of one span in it. `updated_at` is null until an edit.
 *
 * `author` is what they call themselves, `owner` who they proved to be (``key:ann``, ``app:…``):
 * null where nobody was asked.
 */
export interface Comment {
	id: string;
	trace_id: string;
	span_id: string | null;
	author: string;
	body: string;
	created_at: string;
	updated_at: string | null;
	owner?: string | null;
}

/** One comment, as it is kept after a write (before it, when it was deleted). */
export interface CommentAnswer {
	comment: Comment;
}

/** What a comment says from now on. */
export interface CommentEdit {
	body: string;
}

/** Comments in the order asked for, by when they were written. */
export interface CommentList {
	comments: Comment[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/**
 * What was looked at, so that "no anomalies" says something.
 *
 * `comparisons` is how many figures had records enough to be tested. `operations_left_out` are
 * those beyond the bound, the ones with the fewest spans. `log_records_grouped` of the current log
 * records lie in the `log_patterns` that were compared.
 */
export interface Compared {
	services: number;
	operations: number;
	operations_left_out: number;
	log_patterns: number;
	comparisons: number;
	current_spans: number;
	baseline_spans: number;
	current_log_records: number;
	baseline_log_records: number;
	log_records_grouped: number;
}

/**
 * Two versions that met. `winner`: local, remote or merged; `fields` lost somebody's change.
 *
 * A side that was deleted is null.
 */
export interface ConflictHead {
	id: string;
	entity_type: string;
	entity_id: string;
	team_id: string;
	strategy: string;
	winner: string;
	fields: string[];
	base: Record<string, unknown> | null;
	local: Record<string, unknown> | null;
	remote: Record<string, unknown> | null;
	outcome: Record<string, unknown> | null;
	local_at: string;
	remote_at: string;
	created_at: string;
	resolved_at: string | null;
	resolution: string | null;
}

/** Conflicts, the last first; `total` are those that nobody looked at. */
export interface ConflictList {
	conflicts: ConflictHead[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/**
 * What becomes of a conflict.
 *
 * What the strategy made of it stays (`outcome`), or one side is taken, or a `document` that
 * somebody merged by hand.
 */
export interface ConflictResolution {
	take: "local" | "merged" | "outcome" | "remote";
	document?: Record<string, unknown> | null;
}

/** Who the server knows us as; never a token. */
export interface Connection {
	account: string;
	server: string;
	api: string;
	user_id: string;
	email: string;
	expires_in_seconds: number | null;
	tokens: string;
}

/** What may be shared with a team, and what not any more. Each session is shared by itself. */
export interface ConsentChange {
	team_id?: string | null;
	give?: ("comments" | "queries" | "sessions")[];
	withdraw?: ("comments" | "queries" | "sessions")[];
}

/**
 * Runs that belong together: by their conversation's id, or a trace that names none.
 *
 * `turns` are answers of models; `duration_ms` is from the first start to the last end.
 * `more_names` says that there are more agents, models or services than are named here.
 */
export interface Conversation {
	conversation: string;
	kind: "conversation" | "trace";
	traces: number;
	last_trace_id: string;
	turns: number;
	tool_calls: number;
	error_count: number;
	agents: string[];
	models: string[];
	services: string[];
	more_names: boolean;
	tokens: Tokens;
	cost: Cost;
	start_time: string;
	last_activity: string;
	duration_ms: number;
}

/** Conversations, last active first. */
export interface ConversationList {
	conversations: Conversation[];
	count: number;
	total: number;
	truncated: boolean;
	start_time: string;
	end_time: string;
	next?: string | null;
}

/**
 * Everything that belongs to one trace.
 *
 * `spans` is its outline in tree order; where it is cut, failed spans, roots, the critical path
 * and the longest are kept. `logs` are its records and `nearby_logs` others that its services
 * wrote while it ran, both newest first. `metrics` are the series of its services from
 * `metrics_start_time` to `metrics_end_time`. `apps` are those of the tree whose processes wrote
 * its spans, the busiest first. `objects` are those that its events are about, processes too, in
 * the order in which it touched them. `links` go out from its spans, `linked_from` are
 * spans of other traces that point to it. `sections` says how complete each list is.
 */
export interface CorrelateReport {
	trace_id: string;
	span_count: number;
	error_count: number;
	services: string[];
	start_time: string;
	end_time: string;
	duration_ms: number;
	spans: OutlineSpan[];
	logs: LogRecord[];
	nearby_logs: LogRecord[];
	metrics: SeriesSummary[];
	metrics_start_time: string;
	metrics_end_time: string;
	links: OutgoingLink[];
	linked_from: IncomingLink[];
	comments: Comment[];
	apps: TraceApp[];
	objects: Participant[];
	missing_parents: string[];
	sections: Sections;
}

/**
 * What calls of models cost in US dollars.
 *
 * `usd` is computed from tokens and the price table; null when none of the models has a price.
 * `priced_tokens` went into it, `unpriced_tokens` of `unpriced_models` did not. `reported_usd` is
 * the sum of what spans report themselves, over `reported_calls`; the two are never mixed.
 * `prices_dated` says as of when the table is, `prices` which one it is.
 */
export interface Cost {
	usd: number | null;
	computed: boolean;
	priced_tokens: number;
	unpriced_tokens: number;
	unpriced_models: string[];
	reported_usd: number | null;
	reported_calls: number;
	prices: string;
	prices_dated: string | null;
}

/** A crash, and whether the app returned. `gap_ms` is how long it had not been heard of. */
export interface Crash {
	id: number;
	app_id: string;
	app_name: string;
	path: string[];
	epoch: number;
	crash_type: string;
	at: string;
	gap_ms: number;
	details: unknown;
	recovered_at: string | null;
}

/** Crashes, the newest first. */
export interface CrashList {
	crashes: Crash[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/**
 * How much there is and when: `count` buckets of `bucket_ms` milliseconds, from `start` on.
 *
 * `spans`, `errors` (failed spans) and `logs` have a number for each bucket. The last bucket may
 * reach beyond the end of the window; nothing after that end is counted in it.
 */
export interface Density {
	start: string;
	bucket_ms: number;
	count: number;
	spans: number[];
	errors: number[];
	logs: number[];
}

/**
 * What differs between two moments of one object.
 *
 * `added_by` is the event that set a field of `added` last, as far as it is kept. Where what was
 * known is asked for, `from_recorded_at` and `to_recorded_at` say by when what counts had come.
 */
export interface Difference {
	type: string;
	id: string;
	from: string;
	to: string;
	added: Record<string, unknown>;
	removed: Record<string, unknown>;
	changed: Record<string, FieldChange>;
	unchanged: number;
	existed: boolean;
	exists: boolean;
	versions: number;
	warnings: Remark[];
	added_by?: Record<string, EventPlace>;
	from_recorded_at?: string;
	to_recorded_at?: string;
}

/**
 * Two windows side by side, and what sets the bad spans apart from the good ones.
 *
 * `values` are ranked by how much larger their share is among the bad ones. `values_compared` is
 * how many were tested; `values_left_out` were too many to be, the ones with the fewest bad spans.
 * `keys_collapsed` are the keys with too many values, compared by presence alone.
 */
export interface DifferenceReport {
	window: Window;
	baseline: Window;
	service_filter: string | null;
	metrics: Changes;
	totals: BothTotals;
	bad: SpanSet;
	good: SpanSet;
	values: ValueDifference[];
	count: number;
	total: number;
	truncated: boolean;
	values_compared: number;
	values_left_out: number;
	keys_collapsed: string[];
	note: string | null;
}

/**
 * Go away from a team's server: tokens, queue and copies are wiped here.
 *
 * What waits to be sent is lost by it, so it must be `force` where anything does. `account` is
 * the id of an account, the current one when it is left out.
 */
export interface Disconnection {
	account?: string | null;
	force?: boolean;
}

/**
 * That an output was made of an input: the output's item, and when that was told first.
 *
 * `position` is the input's place among all inputs, and `age_ms` how old its item was then: null
 * where none is known.
 */
export interface Edge {
	trace_id: string;
	parent_trace_id: string;
	stream_id: number;
	epoch: string;
	seq: string;
	at: string;
	position: number;
	age_ms: number | null;
}

/**
 * Failed spans of one operation that say the same, and the newest of them to look at.
 *
 * `message` is the start of the status message, `exception_type` that of the first exception event
 * (else the attribute ``error.type`` of the newest span); both may be empty.
 */
export interface ErrorGroup {
	service: string;
	operation: string;
	message: string;
	exception_type: string;
	error_count: number;
	last_seen: string;
	trace_id: string;
	span_id: string;
}

/** A dataset that a run read or wrote. */
export interface EventDataset {
	namespace: string;
	name: string;
	facets?: EventFacets | null;
}

/** What is read of a dataset's facets. */
export interface EventFacets {
	version?: EventVersion | null;
}

/** What runs. */
export interface EventJob {
	namespace: string;
	name: string;
}

/** Which event, when, and in which span. */
export interface EventPlace {
	event_id: string;
	at: string;
	trace_id: string | null;
	span_id: string | null;
}

/** One time that it ran. */
export interface EventRun {
	runId: string;
}

/** The facet that says which version of a dataset is meant. */
export interface EventVersion {
	datasetVersion?: string | null;
}

/**
 * What became of events: sets and items that are kept, those that are not, and why.
 *
 * `passed_over` counts, by reason, events that complete no run, and outputs that were left out of
 * their own inputs.
 */
export interface EventsTaken {
	accepted: number;
	rejected: number;
	reasons: Record<string, number>;
	passed_over: Record<string, number>;
	datasets: NamedDataset[];
}

/** A measurement that a point was made of, with the span it was taken in. */
export interface Exemplar {
	timestamp: string;
	value: number | null;
	trace_id: string | null;
	span_id: string | null;
	attributes: Record<string, unknown>;
}

/**
 * How a list came about: what was read, by which filters, how long it took, and where it ends.
 *
 * `filters` are the names of the parameters that narrowed it, `elapsed_ms` is the whole question.
 */
export interface Explanation {
	table: string;
	filters: string[];
	rows_returned: number;
	limit: number;
	limit_reached: boolean;
	elapsed_ms: number;
	notes: string[];
}

/** A field that differs, and the event that set it last. */
export interface FieldChange {
	from: unknown;
	to: unknown;
	event: EventPlace | null;
}

/**
 * The values of one field, in their order.
 *
 * Events of before `kept_from` are gone, and with them the values that they set, but the last.
 * With `recorded_at` it is what was known then; where that cannot be told because of events that
 * are gone, there are no values and a warning.
 */
export interface FieldHistory {
	type: string;
	id: string;
	field: string;
	values: FieldValue[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
	kept_from?: string | null;
	recorded_at?: string | null;
	warnings?: Remark[];
}

/**
 * One field. What does not belong to its type is unset and not written.
 *
 * `default` is a JSON value. `item` is the schema of a list's entries, `schema` that of a
 * dictionary's known keys; both nest to any depth that `clew.twin.schema.limits` allows.
 * `renamed_from` are names under which older events carry the field.
 */
export interface FieldSchema {
	name: string;
	type: FieldType;
	default?: unknown;
	required?: boolean;
	description?: string;
	indexed?: boolean;
	nullable?: boolean;
	sensitive?: boolean;
	renamed_from?: string[];
	min_value?: number;
	max_value?: number;
	precision?: number;
	min_length?: number;
	max_length?: number;
	pattern?: string;
	choices?: string[];
	item?: FieldSchema;
	min_items?: number;
	max_items?: number;
	schema?: Record<string, FieldSchema>;
	auto_now?: boolean;
	auto_now_add?: boolean;
	ref_type?: string;
}

/** What a field holds. */
export type FieldType = "boolean" | "dict" | "float" | "integer" | "list" | "reference" | "string" | "timestamp";

/** A value that a field had from an event on, and who set it. */
export interface FieldValue {
	value: unknown;
	previous: unknown;
	at: string;
	version: number;
	event_id: string;
	type: string;
	trace_id: string | null;
	span_id: string | null;
	service: string;
}

/**
 * Something in a run that is worth a look.
 *
 * `steps` are the numbers of the steps it shows in, the first of them where there are many.
 */
export interface Finding {
	kind: "context_growth" | "cut_answer" | "failing_model" | "failing_tool" | "loop" | "retry";
	message: string;
	steps: number[];
	count: number;
	agent?: string | null;
	tool?: string | null;
}

/**
 * Calls of models and tools, together and by model, the one with the most tokens first.
 *
 * `cost_usd` is that of `cost`, which says from which prices it is computed and what has none.
 */
export interface GenAiTotals {
	call_count: number;
	error_count: number;
	tool_call_count: number;
	tool_error_count: number;
	conversation_count: number;
	input_tokens: number;
	output_tokens: number;
	cost_usd: number | null;
	cost: Cost;
	model_count: number;
	models: ModelUse[];
}

/**
 * Where a server stands in its group.
 *
 * `enabled` is false for a server that runs alone, which leads nobody and follows nobody. `role`
 * is `leader`, `standby` or `alone`. `leader` and `leader_url` are who leads under `epoch`, as far
 * as is known here. `acked` is the newest acknowledged frame that is known of and here, `last` the
 * newest that is written here; `behind` is how many frames of that leader are not yet here.
 * `required_acks` is how many others must have what is acknowledged. `group` is the id of the
 * group, null before its log is of one. `settled` is false of a leader that does not show yet what
 * it found undecided when it began: a former leader may have acknowledged it. `others` are the
 * addresses of the others, as this server was given them. Of a standby, `heard_seconds` is how
 * long ago its leader was heard, null before it ever was. `lease` is where the lease is kept;
 * `lease_holder` is the address of whoever holds it as far as is known here, for
 * `lease_seconds_left` yet: 0 where it has ended. `lease_error` says why it could not be asked
 * last. `detail` says what keeps this server from leading, where it was to; `warning` in what the
 * settings of the servers differ that should be alike.
 */
export interface GroupStatus {
	enabled: boolean;
	role: string;
	is_leader: boolean;
	node_id?: string | null;
	url?: string | null;
	epoch?: number;
	leader?: string | null;
	leader_url?: string | null;
	acked?: number;
	last?: number;
	behind?: number | null;
	required_acks?: number;
	group?: string | null;
	settled?: boolean;
	others?: string[];
	heard_seconds?: number | null;
	lease?: string | null;
	lease_holder?: string | null;
	lease_seconds_left?: number | null;
	lease_error?: string | null;
	peers?: PeerStatus[];
	detail?: string | null;
	warning?: string | null;
}

/** How the server is. `limits` stand nearest first, `losses` newest first. */
export interface Health {
	at: string;
	process: OwnProcess;
	limits: Limit[];
	storage: StorageReport;
	questions: SlowQuestionReport;
	losses: Loss[];
	own: OwnTelemetry;
}

/**
 * Buckets of one point: `counts` is one longer than `bounds`; a bound that is NaN is null.
 *
 * An exponential histogram is shown with the bounds its scale means, and keeps `scale`.
 */
export interface Histogram {
	bounds: (number | null)[];
	counts: number[];
	count: number;
	sum: number | null;
	min: number | null;
	max: number | null;
	scale?: number | null;
}

/** A span of another trace that links to this one; `to_span_ids` are the spans it names. */
export interface IncomingLink {
	trace_id: string;
	span_id: string;
	service: string;
	operation: string;
	start_time: string;
	status: "error" | "ok" | "unset";
	to_span_ids: string[];
}

/**
 * How the way in is doing: what came, what was refused, what waits, what is wrong.
 *
 * `group` is there for a server of several, and says which of them takes what is written. Of a
 * query tier the numbers are those of its shards together, each of which `shards` has by its
 * name; frames of several servers make no sum, and are 0.
 */
export interface IngestStatus {
	signals: SignalStatus[];
	acked_frame: number;
	flushed_frame: number;
	hot_rows: number;
	batches_waiting: number;
	log_bytes: number;
	log_bytes_max: number;
	damaged_frames: number;
	refused_frames: number;
	writable: boolean;
	last_error: string | null;
	decoder: string;
	group?: GroupStatus | null;
	shards?: Record<string, IngestStatus> | null;
}

/**
 * A condition that an object keeps. `expression` is set where it is one that others can check.
 *
 * An invariant written in Python is known by its name alone: whoever has the class checks it.
 */
export interface InvariantSchema {
	name: string;
	description?: string;
	expression?: string;
}

/** A way into a team. `code` is told once, to whoever made it. */
export interface InviteHead {
	id: string;
	team_id: string;
	role: string;
	expires_at: string;
	uses: number;
	uses_max: number;
	revoked: boolean;
	code?: string | null;
}

/** The invites of a team, the newest first. */
export interface InviteList {
	invites: InviteHead[];
	count: number;
}

/**
 * An item of a stream, and when it was put out, as far as was told.
 *
 * `record` is there where a span or a log record carries the item's stream, epoch and number.
 */
export interface Item {
	stream_id: number;
	epoch: string;
	seq: string;
	at: string;
	record?: ItemRecord;
}

/** Items, those that were put out first first. */
export interface ItemList {
	items: TracedItem[];
	count: number;
	total: number;
	truncated: boolean;
}

/**
 * The span, or else the log record, that says of an item that it is there.
 *
 * `trace_id` and `span_id` are OpenTelemetry's; a log record may have none. `name` is the
 * operation of a span, the event of a log record.
 */
export interface ItemRecord {
	kind: "log" | "span";
	trace_id: string | null;
	span_id: string | null;
	service: string;
	name: string;
}

/** The team that one came into. */
export interface Joined {
	team_id: string;
	name: string | null;
}

/**
 * An API key, but for its secret. `app_id` is the app to whose subtree it is bound.
 *
 * `last_used_at` may be a minute behind.
 */
export interface Key {
	id: string;
	name: string;
	role: string;
	app_id: string | null;
	state: "expired" | "live" | "revoked";
	created_at: string;
	created_by: string;
	last_used_at: string | null;
	expires_at: string | null;
	revoked_at: string | null;
	revoked_by: string | null;
}

/** One key. */
export interface KeyAnswer {
	key: Key;
}

/** A new key; `api_key` is what its holder sends, and is told this once. */
export interface KeyCreated {
	key: Key;
	api_key: string;
}

/** Keys, the newest first. */
export interface KeyList {
	keys: Key[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** A node id, and who has it. Times are the server's. */
export interface Lease {
	id: string;
	node_id: number;
	process: string;
	host: string;
	started_at: string;
	leased_at: string;
	leased_by: string;
	expires_at: string;
	released_at?: string | null;
	renew_seconds?: number;
	lease_seconds?: number;
	free_since?: string | null;
}

/** Leases, those that began last first. */
export interface LeaseList {
	leases: Lease[];
	count: number;
	total: number;
	truncated?: boolean;
	next?: string | null;
}

/**
 * One limit, and how near it is.
 *
 * `share` is `used` of `max`; a limit that nobody set has neither. `near` begins at four fifths,
 * `full` at all of it; what only makes others wait their turn is always `ok`. `advice` says what
 * happens there and what to do; `setting` is the flag of `clew serve` that moves it, if any.
 */
export interface Limit {
	name: string;
	title: string;
	unit: "bytes" | "count" | "per_second";
	used: number;
	max: number | null;
	share: number | null;
	state: "full" | "near" | "ok";
	setting: string | null;
	advice: string;
}

/**
 * What an id was made of, or what was made of it; those fewer steps away stand first.
 *
 * `truncated` with `stopped_by` says that there is more: ``depth``, ``nodes``, ``edges``,
 * ``time``. `cycles` are sets of ids each of which is an ancestor of itself. Sets may be lost on
 * their way, and a node whose set was looks like a root: `losses` counts, by reason, those that
 * this server lost since it started.
 */
export interface Lineage {
	root: string;
	direction: string;
	nodes: Node[];
	edges: Edge[];
	missing: number;
	cycles: string[][];
	truncated: boolean;
	stopped_by: string[];
	losses: Record<string, number>;
}

/**
 * How one id leads to another: every shortest way, from the later output to the earlier input.
 *
 * `length` counts edges; null, with `found` false, where no way is known. `direction` is ``up``
 * where `to` came before `from`, and ``down`` where it was made of it.
 */
export interface LineagePath {
	from: string;
	to: string;
	found: boolean;
	direction: string | null;
	length: number | null;
	nodes: Node[];
	edges: Edge[];
	truncated: boolean;
	stopped_by: string[];
	losses: Record<string, number>;
}

/**
 * Something that was looked at. `count` is how often: what is seen again soon is one look.
 *
 * `how` is the command that shows it again, `path` the address over REST; null where there is
 * none, or where it would be too long.
 */
export interface Link {
	kind: string;
	id: string;
	title: string | null;
	how: string | null;
	path: string | null;
	first_at: string;
	last_at: string;
	count: number;
}

/** What became of messages: how many are kept, how many were refused, and why. */
export interface LinksTaken {
	accepted: number;
	rejected: number;
	reasons: Record<string, number>;
}

/** One of the log records of a pattern, its body cut where it is very long. */
export interface LogExample {
	timestamp: string;
	service: string;
	body: string;
	trace_id: string | null;
	span_id: string | null;
}

/** Log records, newest first. */
export interface LogList {
	logs: LogRecord[];
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	next?: string | null;
}

/**
 * Log records that say the same: ``<*>`` stands where they differ.
 *
 * `severity` is the most frequent one; `severities` and `services` count the records by each.
 */
export interface LogPattern {
	pattern: string;
	count: number;
	share: number;
	severity: string;
	severities: Record<string, number>;
	services: Record<string, number>;
	first_seen: string;
	last_seen: string;
	example: LogExample;
}

/**
 * The patterns of the log records of a window, most frequent first; counts are exact.
 *
 * `log_records` matched; `log_records_grouped` of them lie in a pattern. The rest said things of
 * their own, too many to be told apart, and `truncated` is true.
 */
export interface LogPatternList {
	window: Window;
	patterns: LogPattern[];
	count: number;
	total: number;
	truncated: boolean;
	log_records: number;
	log_records_grouped: number;
	next?: string | null;
}

/** One log record. `severity` is the class (trace, debug, info, warn, error, fatal, unset). */
export interface LogRecord {
	timestamp: string;
	observed_timestamp: string | null;
	trace_id: string | null;
	span_id: string | null;
	severity: string;
	severity_number: number;
	severity_text: string;
	body: unknown;
	event_name: string;
	service: string;
	attributes: Record<string, unknown>;
	resource: Record<string, unknown>;
	scope: Scope;
}

/**
 * What was not kept, or not told, since the start, for one reason.
 *
 * `last_at` is when the count was last seen to grow, some seconds late at most.
 */
export interface Loss {
	signal: string;
	outcome: "denied" | "dropped" | "failed" | "malformed" | "rejected" | "shed";
	reason: string;
	count: number;
	last_at: string | null;
}

/** What one member did. */
export interface MemberActivity {
	user_id: string;
	display_name: string | null;
	sessions: number;
	hours: number;
	findings: number;
}

/** A member of a team; `id` is the user's, as the integration documents it. */
export interface MemberHead {
	id: string;
	member_id: string;
	email: string;
	display_name: string | null;
	role: string;
	joined_at: string;
}

/** Members: owners, admins, then who joined first. `as_of_last_sync` when the server is away. */
export interface MemberList {
	team_id: string;
	members: MemberHead[];
	count: number;
	as_of_last_sync: boolean;
}

/** Messages of one app, the newest first. */
export interface MessageList {
	messages: ClewTreeDocumentsMessage[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/** What is known of one metric in a time range. */
export interface MetricDetail {
	name: string;
	metric_type: "gauge" | "histogram" | "sum" | "summary" | "unknown";
	unit: string;
	description: string;
	point_count: number;
	series_count: number;
	services: string[];
	label_keys: string[];
	value_min: number | null;
	value_max: number | null;
	latest_timestamp: string | null;
	points_with_histogram_buckets: number;
	histogram_quantile_available: boolean;
	recent_points: MetricPoint[];
}

/** Metric points, newest first. */
export interface MetricList {
	metrics: MetricPoint[];
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	next?: string | null;
}

/** A metric and how many points and services it has in the window. */
export interface MetricName {
	name: string;
	metric_type: "gauge" | "histogram" | "sum" | "summary" | "unknown";
	point_count: number;
	service_count: number;
}

/** One data point. `value` of a histogram or summary is its sum. */
export interface MetricPoint {
	timestamp: string;
	start_time: string | null;
	service: string;
	name: string;
	metric_type: "gauge" | "histogram" | "sum" | "summary" | "unknown";
	value: number | null;
	unit: string;
	attributes: Record<string, unknown>;
	temporality?: "cumulative" | "delta" | null;
	monotonic?: boolean | null;
	histogram?: Histogram | null;
	quantiles?: Record<string, number> | null;
	exemplars?: Exemplar[] | null;
}

/** Metric points of the window; `names` are the ones with the most points. */
export interface MetricTotals {
	point_count: number;
	unique_names: number;
	names: MetricName[];
}

/** What one model was asked and used; `cost_usd` is null where no price is known. */
export interface ModelUse {
	provider: string;
	model: string;
	call_count: number;
	error_count: number;
	p50_ms: number;
	p95_ms: number;
	input_tokens: number;
	output_tokens: number;
	cost_usd: number | null;
}

/** A dataset, and the trace id that it has here. */
export interface NamedDataset {
	namespace: string;
	name: string;
	version: string | null;
	trace_id: string;
}

/**
 * A child that is about to be started; without `parent_id` it is the root of a new tree.
 *
 * `app_id` is a UUID of the caller's choosing, for callers that may have to ask again; else the
 * server makes one. `start_deadline` is in seconds. `sec_level` is the tier at which it proves
 * who it is, never less than the server's own. `role_refs` are its parent's unless given.
 * `join_token` is a secret of the caller's choosing, 32 random bytes: who may have to ask again
 * has it even if the answer was lost; else the server makes one, and tells it once.
 */
export interface NewChild {
	app_name: string;
	app_id?: string | null;
	join_token?: string | null;
	parent_id?: string | null;
	sec_level?: Tier;
	start_deadline?: number | null;
	resume_window_ms?: number | null;
	orphans?: Orphans | null;
	role_refs?: string[] | null;
	grants?: ChildGrant[];
	originator?: unknown;
	tags?: unknown;
}

/**
 * A command of an app's own vocabulary, with any JSON value as its payload.
 *
 * With `cascade` it goes to all live apps below as well, as far as they match: `name_filter` is a
 * pattern of names (``worker-*``), `status_filter` a status. `ttl_ms` is how long it waits for
 * who is away. `correlation_id` is the header `Idempotency-Key`: the same command with the same
 * id is given once.
 */
export interface NewCommand {
	action: string;
	payload?: unknown;
	ttl_ms?: number;
	cascade?: boolean;
	name_filter?: string | null;
	status_filter?: "cancelled" | "connected" | "crashed" | "done" | "error" | "lost_contact" | "reconnecting" | "running" | "scheduled" | "start_failed" | null;
	correlation_id?: string | null;
}

/**
 * A comment to be kept.
 *
 * `id` is for clients that may have to send again: a UUID of their own. The same comment with the
 * same id is kept once, however often it comes.
 */
export interface NewComment {
	body: string;
	author?: string | null;
	span_id?: string | null;
	id?: string | null;
}

/** Become known to a team's server. `totp` where the server asks for a one-time code. */
export interface NewConnection {
	server_url: string;
	email: string;
	password: string;
	totp?: string | null;
}

/**
 * Roles for one app to be given to a subject: ``key:ci``, ``app:…``.
 *
 * With `cascade` they hold for all below the app as well. They count for ever, for a time
 * (`expires_in`: ``2h``), or until a moment (`expires_at`).
 */
export interface NewGrant {
	app_id: string;
	sub: string;
	roles: string[];
	cascade?: boolean;
	expires_in?: string | null;
	expires_at?: string | null;
}

/** A way into a team, for so long (``7d``) and so many. */
export interface NewInvite {
	team_id?: string | null;
	role?: "admin" | "member";
	expires_in?: string;
	uses?: number;
}

/** An item that was put out, and the trace id that it has. */
export interface NewItem {
	trace_id: string | number;
	stream_id?: string | number;
	epoch?: string | number;
	seq?: string | number;
	at?: string | null;
}

/** Come into a team by the code of an invite. */
export interface NewJoin {
	code: string;
	display_name?: string | null;
}

/**
 * A key to be made. `app_id` binds it to the subtree of an app.
 *
 * It is valid for ever, for a time (`expires_in`: ``30d``), or until a moment (`expires_at`).
 */
export interface NewKey {
	name: string;
	role: "admin" | "operator" | "reader" | "writer";
	app_id?: string | null;
	expires_in?: string | null;
	expires_at?: string | null;
}

/**
 * Who asks for a node id. The same process gets the same id, however often it asks.
 *
 * `node_id` is wished: it is that one or none.
 */
export interface NewLease {
	process: string;
	host: string;
	started_at: number;
	node_id?: number | null;
}

/**
 * An output and all that it was made of, in the order observed.
 *
 * Stream, epoch and number are those of the output, 0 where there are none. `at` is when it was
 * made: now, when left out.
 */
export interface NewLinkSet {
	trace_id: string | number;
	parents: (string | number)[];
	stream_id?: string | number;
	epoch?: string | number;
	seq?: string | number;
	at?: string | null;
}

/** Link sets, and items that have trace ids. */
export interface NewLinks {
	sets?: NewLinkSet[];
	items?: NewItem[];
}

/** Something found out. What it is about becomes a link of the session. `id` as of a session. */
export interface NewNote {
	body: string;
	about?: Target | null;
	id?: string | null;
}

/** A question worth keeping, for the whole team. One of the same name becomes this one. */
export interface NewQuery {
	name: string;
	query: string;
	language?: string;
	description?: string;
	team_id?: string | null;
}

/** A public key of apps that is to count no more: itself, or that of an app; and why. */
export interface NewRevokedKey {
	pub_key?: string | null;
	app_id?: string | null;
	reason?: string;
}

/** A role ref to be made. */
export interface NewRoleRef {
	name: string;
	grants: RoleGrant[];
	description?: string;
	namespace_scope?: string | null;
	assignable?: boolean;
}

/**
 * A session to be started.
 *
 * Of kind ``own`` and ``agent`` everybody has one open at the most. What is asked over MCP belongs
 * to that of ``agent``, everything else to ``own``. Any number may run ``beside``, to which
 * belongs what names them. `switch` ends the one that is open. `id` is for clients that may have
 * to send again: a UUID of their own.
 */
export interface NewSession {
	title: string;
	planned_minutes?: number | null;
	kind?: "agent" | "beside" | "own";
	switch?: boolean;
	id?: string | null;
}

/** Share a session, or a comment, with a team. */
export interface NewShare {
	team_id?: string | null;
}

/** A team to be founded; whoever does is its owner. */
export interface NewTeam {
	name: string;
}

/**
 * A trace id, and what is known of it. `missing`: nothing, but that others name it.
 *
 * `depth` is how many steps it is away. Each list holds the first of what there is, and the count
 * beside it says how many there are. `windows` tell of what a joined output was made of, by
 * stream; their counts add up to `input_count` where of each input an item is known. `span` is
 * there where the id stands for a span that carries none, which may not be here; `dataset`, where
 * it stands for one.
 */
export interface Node {
	trace_id: string;
	depth: number;
	items: Item[];
	item_count: number;
	stages: Stage[];
	stage_count: number;
	apps: StageApp[];
	objects: StageObject[];
	log_count: number;
	input_count: number;
	windows: StageWindow[];
	span?: NodeSpan;
	dataset?: NodeDataset;
	missing?: boolean;
}

/** The dataset that an id of 2^63 and above was made of, as an event of OpenLineage named it. */
export interface NodeDataset {
	namespace: string;
	name: string;
	version: string | null;
}

/** The span that an id of 2^63 and above was made of; ids are OpenTelemetry's. */
export interface NodeSpan {
	trace_id: string;
	span_id: string;
}

/** Something found out: a note, or a comment that was made while the session was open. */
export interface Note {
	id: string;
	kind: string;
	body: string;
	about: Target | null;
	created_at: string;
}

/** All objects that references reach from the first one, at one instant: a consistent cut. */
export interface ObjectGraph {
	root: [string, string];
	at: string;
	objects: TwinState[];
	references: Reference[];
	truncated: boolean;
	warnings: Remark[];
	recorded_at?: string;
}

/** Objects, those that changed last first. */
export interface ObjectList {
	objects: ObjectSummary[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/** A type of objects. `prefix` begins the names of its fields as attributes. */
export interface ObjectSchema {
	name: string;
	prefix: string;
	description?: string;
	fields?: Record<string, FieldSchema>;
	invariants?: InvariantSchema[];
	type?: "object";
}

/** One object of a list, as it is now. */
export interface ObjectSummary {
	type: string;
	id: string;
	exists: boolean;
	version: number;
	events: number;
	first_at: string;
	last_at: string;
	service: string;
	state: Record<string, unknown>;
}

/** One operation, or all that were set aside. */
export interface OperationChoice {
	op_id?: string | null;
}

/** Rate, errors and duration of one operation of a service. */
export interface OperationStats {
	service: string;
	operation: string;
	kind: "client" | "consumer" | "internal" | "producer" | "server";
	span_count: number;
	error_count: number;
	error_rate: number;
	avg_duration_ms: number;
	p50_ms: number;
	p95_ms: number;
	p99_ms: number;
}

/** Rate, errors and duration of one operation of a service. */
export interface OperationSummary {
	service: string;
	span_count: number;
	error_count: number;
	error_rate: number;
	rate_per_second: number;
	avg_ms: number;
	max_ms: number;
	p50_ms: number;
	p95_ms: number;
	p99_ms: number;
	operation: string;
}

/** What becomes of an app when its parent ends. */
export type OrphanPolicy = "adopt" | "request_cancel" | "terminate" | "wait";

/**
 * The orphan policies of one app, by how its parent ended.
 *
 * `wait` is possible for `done` alone: the parent's end is held back until this app has ended. An
 * app that is `detached` stays out of its ancestors' cancels unless they say otherwise.
 */
export interface Orphans {
	done?: OrphanPolicy;
	error?: OrphanPolicy;
	crashed?: OrphanPolicy;
	detached?: boolean;
}

/** A link from a span of the trace to another span. */
export interface OutgoingLink {
	from_span_id: string;
	trace_id: string;
	span_id: string;
	attributes: Record<string, unknown>;
}

/** A span in one line. `offset_ms` counts from the start of the trace. */
export interface OutlineSpan {
	span_id: string;
	parent_span_id: string | null;
	depth: number;
	service: string;
	operation: string;
	kind: "client" | "consumer" | "internal" | "producer" | "server";
	status: "error" | "ok" | "unset";
	offset_ms: number;
	duration_ms: number;
	self_time_ms: number;
	critical_path: boolean;
	status_message?: string;
	exception?: string | null;
}

/** The server's process. */
export interface OwnProcess {
	version: string;
	pid: number;
	started_at: string;
	uptime_seconds: number;
	cpu_seconds: number;
	resident_bytes: number;
	threads: number;
}

/**
 * What the server records of itself; `interval_seconds` is null when it is off.
 *
 * `records` were kept since the start, `failures` times it could not be kept.
 */
export interface OwnTelemetry {
	interval_seconds: number | null;
	retention_seconds: number;
	records: number;
	failures: number;
	last_at: string | null;
}

/**
 * A piece of a message.
 *
 * `text` of text and reasoning; `id`, `name` and `arguments` of a tool call; `id`, `name` and
 * `result` of a tool result; `text` says what it is of anything else (an image, a file).
 * `left_out` are characters that were cut off.
 */
export interface Part {
	type: "other" | "reasoning" | "text" | "tool_call" | "tool_result";
	text?: string | null;
	id?: string | null;
	name?: string | null;
	arguments?: unknown;
	result?: unknown;
	left_out?: number;
}

/** An object that traces touched: how many events are about it, and how many changed it. */
export interface Participant {
	type: string;
	id: string;
	events: number;
	changes: number;
	first_at: string;
	last_at: string;
	services: string[];
}

/**
 * Another server of the group, as the one that was asked knows it.
 *
 * `acked` is the newest frame that it has on disk, `behind` how many it lacks; both are null
 * where nothing was heard from it. `detail` says why, where something is not well. `required_acks`
 * is how many others must have what is acknowledged where it leads; null where it does not say.
 */
export interface PeerStatus {
	url: string;
	ok: boolean;
	acked?: number | null;
	behind?: number | null;
	detail?: string | null;
	required_acks?: number | null;
}

/**
 * An error as every REST route answers it (RFC 9457).
 *
 * `code` is one of the closed set of codes, `detail` says what was wrong, `hint` names the next
 * step. `error` repeats `detail` for clients of tael.
 */
export interface Problem {
	type: string;
	title: string;
	status: number;
	code: string;
	detail: string;
	hint: string | null;
	error: string;
}

/** Processes, those that started last first. */
export interface ProcessList {
	processes: ProcessSummary[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/**
 * A phase that a process was in; `end` is none while it still is.
 *
 * `is_allowed` is false where its type has no such phase, or where it may not follow the one
 * before it; the process's warnings say which. The event is the one that began it.
 */
export interface ProcessPhase {
	name: string;
	start: string;
	end: string | null;
	duration_ms: number;
	event_id: string;
	trace_id: string | null;
	span_id: string | null;
	service: string;
	is_allowed: boolean;
}

/**
 * A type of processes: phases in their usual order, and from which one may go to which.
 *
 * Without `transitions` any phase may follow any. `steps` is an older name of `phases`.
 */
export interface ProcessSchema {
	name: string;
	prefix: string;
	description?: string;
	phases?: string[];
	transitions?: Record<string, string[]>;
	timeout_seconds?: number;
	fields?: Record<string, FieldSchema>;
	invariants?: InvariantSchema[];
	type?: "process";
}

/** One process of a list, as it is now. Its fields mean what those of `ProcessTwin` do. */
export interface ProcessSummary {
	type: string;
	id: string;
	trace_id: string | null;
	status: string;
	phase: string | null;
	started_at: string;
	ended_at: string | null;
	last_at: string;
	duration_ms: number;
	timeout_seconds: number | null;
	services: string[];
	events: number;
}

/**
 * One process: what it says of itself, its phases, and who took part.
 *
 * `status` is started, completed or failed, or what its times say: ``stuck`` where nothing of it
 * or of its traces has come for as long as its type allows, ``timed_out`` where more does come and
 * it takes longer than that. `trace_id` is that of its first event, or the id that it has as a
 * trace; `last_at` is when something of it or of its traces came last. `next_phases` are those
 * that may follow. `participants` are the other objects that its traces touched.
 */
export interface ProcessTwin {
	type: string;
	id: string;
	trace_id: string | null;
	trace_ids: string[];
	status: string;
	phase: string | null;
	next_phases: string[];
	started_at: string;
	ended_at: string | null;
	last_at: string;
	duration_ms: number;
	timeout_seconds: number | null;
	phases: ProcessPhase[];
	participants: Participant[];
	services: string[];
	events: number;
	twin: TwinState;
	warnings: Remark[];
}

/**
 * A promotion that is under way.
 *
 * The server's doors close and open again; whether it leads then is in `GroupStatus`. `heard` is
 * how many servers of the group answered, itself among them, of the `needed`. `epoch` is what it
 * will lead under at least.
 */
export interface Promotion {
	epoch: number;
	heard: number;
	needed: number;
	forced: boolean;
}

/** How to promote: `force` where it cannot be known that nothing acknowledged is missing. */
export interface PromotionAsked {
	force?: boolean;
}

/** A document of PROV-JSON: records by their names. Kinds without records are left out. */
export interface ProvDocument {
	prefix: Record<string, string>;
	entity?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	activity?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	agent?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	wasGeneratedBy?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	used?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	wasDerivedFrom?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
	wasAttributedTo?: Record<string, Record<string, string | boolean | number | Record<string, string> | string[]>>;
}

/** A saved query of a team. */
export interface QueryHead {
	id: string;
	team_id: string;
	name: string;
	language: string;
	query: string;
	description: string;
	sync_status: string;
}

/** The saved queries of a team, by name. */
export interface QueryList {
	queries: QueryHead[];
	count: number;
}

/** The question that shows the records behind a finding: a command line, and an address. */
export interface Question {
	cli: string;
	rest: string;
}

/** What waits (of it `in_flight` is on its way), what was set aside, what was sent so far. */
export interface QueueCounts {
	pending: number;
	in_flight: number;
	failed: number;
	synced: number;
	oldest_pending_at: string | null;
}

/**
 * An operation, and why it is not sent yet: `error` is what came of the last try.
 *
 * One that is `in_flight` was sent, and its answer has not come.
 */
export interface QueuedOperation {
	op_id: string;
	entity_type: string;
	entity_id: string;
	operation: string;
	team_id: string;
	created_at: string;
	tries: number;
	next_attempt_at: string | null;
	error: string | null;
	in_flight?: boolean;
}

/**
 * Whether the server is ready, and what keeps it from being so.
 *
 * `group` is where it stands among several servers; a standby is ready when it answers reads.
 * `shards` are the names of those that a query tier asks, and of no other server.
 */
export interface Readiness {
	ready: boolean;
	checks: Check[];
	group?: GroupStatus | null;
	shards?: string[] | null;
}

/** A session of a team. `duration_minutes` is what was planned, `seconds` what it took. */
export interface RecentSession {
	id: string;
	title: string;
	user_id: string;
	display_name: string | null;
	start_time: string;
	duration_minutes: number;
	seconds: number | null;
	completed: boolean;
	findings: number;
}

/** A field of one object that names another. `is_dangling`: it was not there at that moment. */
export interface Reference {
	from: [string, string];
	field: string;
	to: [string, string];
	is_dangling: boolean;
}

/** The file of a registry. */
export interface RegistryFile {
	registry?: RegistryHead;
	objects?: Record<string, ObjectSchema>;
	processes?: Record<string, ProcessSchema>;
	expected_keys?: string[];
}

/** What the file says of the registry itself. */
export interface RegistryHead {
	name?: string;
	version?: string;
	created_at?: string;
	checksum?: string;
}

/**
 * Registries, the newest first.
 *
 * `conflicts` tells, of a query tier, where its shards hold events to different versions.
 */
export interface RegistryList {
	registries: RegistryVersion[];
	count: number;
	truncated: boolean;
	total?: number | null;
	next?: string | null;
	conflicts?: string[];
}

/**
 * What a registry that was given changes; `created` is false where it was there already.
 *
 * `breaking` also tells what a current registry of another name says otherwise of one type.
 */
export interface RegistryStored {
	name: string;
	version: string;
	checksum: string;
	created: boolean;
	breaking: string[];
	compatible: string[];
}

/** A registry that the server was given. `is_current`: the newest of its name. */
export interface RegistryVersion {
	name: string;
	version: string;
	checksum: string;
	stored_at: string;
	stored_by: string;
	objects: number;
	processes: number;
	is_current: boolean;
}

/** Events that do not count, the newest first, and how many there are by code. */
export interface RejectedList {
	events: TimelineEvent[];
	by_code: Record<string, number>;
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/**
 * Something that the reader of a state should know.
 *
 * `code`: ``before_first_event``, ``before_first_arrival`` (nothing of it had come by the recorded
 * time that was asked for), ``change_after_delete``, ``created_again``, ``bad_value``,
 * ``unknown_registry``, ``invariant``, ``clock_skew``, ``events_expired``, ``events_apart`` (over
 * a query tier: events that are gone lay on several shards), ``left_out``. Of a process besides:
 * ``unknown_phase``, ``phase_not_allowed``, ``phase_after_end``, ``timed_out`` (it ended later
 * than its type allows), ``unknown_status``, ``rejected``.
 */
export interface Remark {
	code: string;
	message: string;
	event_id?: string | null;
	at?: string | null;
	field?: string | null;
}

/** A public key of apps that counts no more: nobody joins the tree or signs with it. */
export interface RevokedKey {
	pub_key: string;
	reason: string;
	revoked_by: string;
	revoked_at: string;
}

/** One public key, as it was revoked. */
export interface RevokedKeyAnswer {
	revoked_key: RevokedKey;
}

/** Revoked public keys, the newest first. */
export interface RevokedKeyList {
	revoked_keys: RevokedKey[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** Another role for a member; the server decides whether that may be. */
export interface RoleChange {
	role: "admin" | "member" | "owner";
	team_id?: string | null;
}

/** The roles of one subject: ``key:ci``, a bare name, ``group:…`` or ``sa:…``. */
export interface RoleGrant {
	sub: string;
	roles: string[];
}

/**
 * A named set of grants that apps list. It counts for apps of its namespace, if it has one.
 *
 * An app may list an `assignable` one by itself; others only when its parent lists them.
 */
export interface RoleRef {
	name: string;
	description: string;
	grants: RoleGrant[];
	namespace_scope: string | null;
	assignable: boolean;
	created_by: string;
	created_at: string;
	updated_at: string;
}

/** One role ref, as it is kept after a write (before it, when it was removed). */
export interface RoleRefAnswer {
	role_ref: RoleRef;
}

/** What became of a role ref, by whom: `created`, `updated` or `deleted`. */
export interface RoleRefChange {
	name: string;
	action: string;
	old_grants: RoleGrant[] | null;
	new_grants: RoleGrant[] | null;
	changed_by: string;
	changed_at: string;
}

/** What a role ref is from now on, all of it. */
export interface RoleRefEdit {
	grants: RoleGrant[];
	description?: string;
	namespace_scope?: string | null;
	assignable?: boolean;
}

/** The changes of a role ref, the newest first; they outlive it. */
export interface RoleRefHistory {
	changes: RoleRefChange[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** Role refs by name. */
export interface RoleRefList {
	role_refs: RoleRef[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** Rounds of the sync, the last first. */
export interface RoundList {
	rounds: RoundReport[];
	count: number;
}

/** What one round of the sync did. `outcome`: done, offline, paused or failed. */
export interface RoundReport {
	began_at: string;
	ended_at: string;
	outcome: string;
	sent: number;
	failed: number;
	pulled: number;
	conflicts: number;
	error: string | null;
}

/** An event of OpenLineage: what is read of it; all else is passed over. */
export interface RunEvent {
	eventTime: string;
	eventType?: string | null;
	run?: EventRun | null;
	job?: EventJob | null;
	dataset?: EventDataset | null;
	inputs?: EventDataset[] | null;
	outputs?: EventDataset[] | null;
}

/** What an app said last: its newest Status, or its Result or Error. */
export interface Said {
	msg_type: string;
	seq: number;
	epoch: number;
	at: string;
	payload_bytes: number;
	payload?: unknown;
}

/** The instrumentation scope that recorded something. */
export interface Scope {
	name: string;
	version: string;
	attributes: Record<string, unknown>;
}

/** How complete one list of the answer is; `more` says how to get what it leaves out. */
export interface Section {
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	next?: string | null;
	more?: string | null;
}

/** How complete each list of the answer is. */
export interface Sections {
	spans: Section;
	logs: Section;
	nearby_logs: Section;
	metrics: Section;
	links: Section;
	linked_from: Section;
	comments: Section;
	apps: Section;
	objects: Section;
}

/** A stretch of a timeline: how many events, how many of them changes. */
export interface Segment {
	start: string;
	end: string;
	events: number;
	changes: number;
}

/** One line of a chart. */
export interface Series {
	metric: string;
	labels: Record<string, string>;
	points: SeriesPoint[];
	value: number | null;
	timestamp: string | null;
}

/** Series over time buckets of `step_seconds`, largest last value first. */
export interface SeriesList {
	series: Series[];
	count: number;
	total: number;
	truncated: boolean;
	step_seconds: number;
	aggregate: string;
	start_time: string;
	end_time: string;
	next?: string | null;
}

/** A bucket's start and its value; null where the bucket holds nothing. */
export type SeriesPoint = [string, number | null];

/**
 * One series of a service in a time range.
 *
 * `timestamp` and `value` are those of its last point, as a data point has them. The figures are
 * over the values of its `point_count` points; of a histogram or summary that is the sum. `mean`
 * is what one observation of those was on average: over the range where that can be told (delta
 * points, or a cumulative one that grew), else since the series began.
 */
export interface SeriesSummary {
	timestamp: string;
	service: string;
	name: string;
	metric_type: "gauge" | "histogram" | "sum" | "summary" | "unknown";
	value: number;
	unit: string;
	attributes: Record<string, unknown>;
	point_count: number;
	first: number;
	last: number;
	min: number;
	max: number;
	avg: number;
	mean?: number | null;
	temporality?: string | null;
	instance?: string | null;
}

/** Services with their figures, busiest first. */
export interface ServiceList {
	services: ServiceStats[];
	count: number;
	total: number;
	truncated: boolean;
	start_time: string;
	end_time: string;
	next?: string | null;
}

/** Log records of one service by severity. */
export interface ServiceLogs {
	total: number;
	fatal: number;
	error: number;
	warn: number;
	info: number;
	debug: number;
	trace: number;
	unset: number;
	service: string;
}

/** Rate, errors and duration of one service in a time range; quantiles over all its spans. */
export interface ServiceStats {
	name: string;
	span_count: number;
	trace_count: number;
	error_count: number;
	error_rate: number;
	rate_per_second: number;
	avg_duration_ms: number;
	p50_ms: number;
	p95_ms: number;
	p99_ms: number;
	log_count: number;
	last_seen: string;
}

/** Rate, errors and duration of one service; the rate is over the whole window. */
export interface ServiceSummary {
	service: string;
	span_count: number;
	error_count: number;
	error_rate: number;
	rate_per_second: number;
	avg_ms: number;
	max_ms: number;
	p50_ms: number;
	p95_ms: number;
	p99_ms: number;
}

/** A work session with its notes as they were made, and its links by when they were first. */
export interface Session {
	id: string;
	title: string;
	owner: string;
	kind: string;
	started_at: string;
	ended_at: string | null;
	end_reason: string | null;
	planned_minutes: number | null;
	seconds: number;
	overrun_seconds: number;
	note_count: number;
	link_count: number;
	visits_left_out: number;
	shared: boolean;
	notes: Note[];
	links: Link[];
}

/** What is to be otherwise; what is left out stays. A plan of null is none. */
export interface SessionChange {
	title?: string;
	planned_minutes?: number | null;
}

/**
 * A work session, as lists have it.
 *
 * `owner` is who they proved to be (``key:ann``, ``app:…``, ``local``). `end_reason` is
 * ``stopped``, ``switched`` when another one was begun, ``forgotten`` when nothing had been done
 * in it for a day; it ended then when something last was. `seconds` is how long it took, or has so
 * far, `overrun_seconds` how much of that is beyond what was planned. `visits_left_out` counts
 * looks for which there was no room among the links.
 */
export interface SessionHead {
	id: string;
	title: string;
	owner: string;
	kind: string;
	started_at: string;
	ended_at: string | null;
	end_reason: string | null;
	planned_minutes: number | null;
	seconds: number;
	overrun_seconds: number;
	note_count: number;
	link_count: number;
	visits_left_out: number;
	shared: boolean;
}

/** Sessions, the newest first. */
export interface SessionList {
	sessions: SessionHead[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** Log records by severity. `error` counts the fatal ones too, `fatal` is how many those are. */
export interface SeverityCounts {
	total: number;
	fatal: number;
	error: number;
	warn: number;
	info: number;
	debug: number;
	trace: number;
	unset: number;
}

/** The shards of a query tier, by name. */
export interface ShardList {
	shards: ShardStatus[];
	count: number;
	total: number;
	truncated: boolean;
}

/**
 * One of the servers of a shard that is a group, by what it says of itself.
 *
 * `leads` is true of the one that the shard's questions and writes go to as its leader; `role` is
 * `leader`, `standby` or `alone`, null where it does not say. `newest_frame` is the newest that it
 * shows, and `version` what it runs. `error` says why it did not answer.
 */
export interface ShardMember {
	url: string;
	reachable: boolean;
	role?: string | null;
	leads?: boolean;
	epoch?: number | null;
	newest_frame?: number | null;
	latency_ms?: number | null;
	error?: string | null;
	version?: string | null;
}

/**
 * One shard of a query tier. `newest_frame` is the newest that it has acknowledged.
 *
 * Where it is a group, `members` are its servers, `leader` is the one that leads, null where none
 * does, and `url` the one that is asked. `version` is what that one runs. `warning` says what is
 * not well though it answers, and `advice` what to do. One that `refuses` is there and does not
 * let the tier ask, so nothing is answered.
 */
export interface ShardStatus {
	name: string;
	url: string;
	reachable: boolean;
	latency_ms: number | null;
	newest_frame: number | null;
	error: string | null;
	leader?: string | null;
	warning?: string | null;
	members?: ShardMember[];
	version?: string | null;
	advice?: string | null;
	refuses?: boolean;
}

/** What is shared: `id` is that of the shared copy, the same on every machine. */
export interface Shared {
	id: string;
	team_id: string;
	kind: string;
	sync_status: string;
}

/**
 * What one signal's intake did since the server started.
 *
 * `dropped` says of link sets, which nobody sends again, why those that are `shed` were.
 */
export interface SignalStatus {
	signal: string;
	requests: number;
	records: number;
	rejected: Record<string, number>;
	malformed: number;
	shed: number;
	last_accepted_at: string | null;
	dropped?: Record<string, number>;
}

/** What all tables of one signal take. `own` is what clew tells of itself. */
export interface SignalStorage {
	signal: string;
	rows: number;
	bytes: number;
	uncompressed_bytes: number;
	index_bytes: number;
}

/**
 * One question that was slow or failed.
 *
 * `asked` are its parameters without secrets, or the statement; it and `caller` are told to
 * whoever asked it and to admins, and null to others. `duration_ms` is the time until the answer
 * began.
 */
export interface SlowQuestion {
	at: string;
	method: string;
	route: string;
	asked: string | null;
	caller: string | null;
	duration_ms: number;
	status: number;
}

/**
 * Slow and failed questions since the start: the newest of them, and the slowest of all.
 *
 * `seen` of them were at least `threshold_ms` or failed for a reason of the server.
 */
export interface SlowQuestionReport {
	threshold_ms: number;
	seen: number;
	newest: SlowQuestion[];
	slowest: SlowQuestion[];
}

/** What an app said of its state. */
export interface Snapshot {
	id: number;
	app_id: string;
	epoch: number;
	seq: number;
	at: string;
	payload: unknown;
}

/** Snapshots of one app, the newest first. */
export interface SnapshotList {
	snapshots: Snapshot[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
}

/** One operation. `depth`, `self_time_ms` and `critical_path` are there in a trace only. */
export interface Span {
	trace_id: string;
	span_id: string;
	parent_span_id: string | null;
	service: string;
	operation: string;
	start_time: string;
	end_time: string;
	duration_ms: number;
	status: "error" | "ok" | "unset";
	status_message: string;
	kind: "client" | "consumer" | "internal" | "producer" | "server";
	trace_state: string;
	attributes: Record<string, unknown>;
	events: SpanEvent[];
	links: SpanLink[];
	resource: Record<string, unknown>;
	scope: Scope;
	depth?: number | null;
	self_time_ms?: number | null;
	critical_path?: boolean | null;
}

/** A moment inside a span. */
export interface SpanEvent {
	name: string;
	timestamp: string;
	attributes: Record<string, unknown>;
}

/** A pointer from a span to another. */
export interface SpanLink {
	trace_id: string;
	span_id: string;
	trace_state: string;
	attributes: Record<string, unknown>;
}

/** Spans, newest first; with `explain` where that was asked for. */
export interface SpanList {
	spans: Span[];
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	next?: string | null;
	explain?: Explanation | null;
}

/** One of the two sets of spans: which ones, and how many. */
export interface SpanSet {
	description: string;
	window: Window;
	spans: number;
}

/**
 * Every span of a window together; quantiles are over all spans.
 *
 * Beyond two million spans the traces are not counted, and `trace_count` is null: it would take as
 * long as everything else. `SELECT uniq(TraceId) FROM otel_traces WHERE …` counts them.
 */
export interface SpanTotals {
	span_count: number;
	trace_count: number | null;
	error_count: number;
	error_rate: number;
	rate_per_second: number;
	avg_ms: number;
	max_ms: number;
	p50_ms: number;
	p95_ms: number;
	p99_ms: number;
}

/** Rows of an SQL statement; integers past 2^53 are strings. */
export interface SqlAnswer {
	rows: (Record<string, unknown>)[];
	columns: SqlColumn[];
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	elapsed_ms: number;
}

/** Name and ClickHouse type of a column of an SQL answer. */
export interface SqlColumn {
	name: string;
	type: string;
}

/** A statement, and how many rows of its answer. */
export interface SqlParameters {
	q: string;
	limit?: number;
}

/** Every table that SQL may read, with examples to start from. */
export interface SqlSchema {
	tables: TableSchema[];
	examples: string[];
	count: number;
	total: number;
	truncated: boolean;
}

/**
 * A span that says that it made an item with the id, or had to do with one: when, and where.
 *
 * `trace_id` and `span_id` are OpenTelemetry's.
 */
export interface Stage {
	service: string;
	operation: string;
	trace_id: string;
	span_id: string;
	start_time: string;
	end_time: string;
	duration_ms: number;
	status: string;
	app_id: string | null;
}

/** An app of the tree whose process wrote spans of the node; null where the tree knows none. */
export interface StageApp {
	app_id: string;
	app_name: string | null;
	status: string | null;
}

/** An object that a span of the node said something of. */
export interface StageObject {
	type: string;
	id: string;
}

/**
 * The items of one stream and epoch that went into an output.
 *
 * `count` of them, from the one that was put out first to the one that was put out last, `span_ms`
 * later. `oldest_ms` and `newest_ms` are how old the oldest and the newest of them were when the
 * output was put out. An age below 0 says that the clocks of two machines differ.
 */
export interface StageWindow {
	stream_id: number;
	epoch: string;
	count: number;
	first_seq: string;
	first_at: string;
	last_seq: string;
	last_at: string;
	span_ms: number;
	oldest_ms: number;
	newest_ms: number;
}

/** The states of several objects at one moment. Each is ``[type, id]``. */
export interface StatesQuery {
	objects: ([string, string])[];
	at?: string | null;
	recorded_at?: string | null;
}

/**
 * One thing that happened: an agent began, a model answered, a tool was used.
 *
 * `depth` counts the agents, tools and models it ran under. `messages` hold only what is new in
 * this conversation; `repeated_messages` were told before. `offset_ms` is from the start of the
 * transcript. `computed_usd` is what the tokens cost by the price table, `reported_usd` what the
 * span says itself.
 */
export interface Step {
	number: number;
	kind: "agent" | "model" | "other" | "tool";
	operation: string;
	name: string;
	depth: number;
	trace_id: string;
	span_id: string;
	service: string;
	start_time: string;
	offset_ms: number;
	duration_ms: number;
	status: "error" | "ok" | "unset";
	agent?: string | null;
	model?: string | null;
	provider?: string | null;
	error?: string | null;
	messages?: ClewTelemetryGenaiDocumentsMessage[];
	repeated_messages?: number;
	arguments?: unknown;
	result?: unknown;
	call_id?: string | null;
	left_out?: number;
	finish_reasons?: string[];
	time_to_first_token_ms?: number | null;
	input_tokens?: number;
	output_tokens?: number;
	cache_read_tokens?: number;
	cache_creation_tokens?: number;
	reasoning_tokens?: number;
	computed_usd?: number | null;
	reported_usd?: number | null;
}

/**
 * What is on disk, largest first; measured at most some seconds ago.
 *
 * `registry_bytes` is the file of the registry and its log, None where another server keeps it;
 * `disk_free_bytes` is what is left where the data folder is.
 */
export interface StorageReport {
	measured_at: string;
	signals: SignalStorage[];
	tables: TableStorage[];
	rows: number;
	bytes: number;
	log_bytes: number;
	registry_bytes: number | null;
	disk_free_bytes: number | null;
}

/**
 * Whether a name is known, to the letter; where it is not, known names near it, nearest first.
 *
 * For a name that is known nothing is suggested.
 */
export interface Suggestions {
	suggestions: string[];
	known: boolean;
}

/**
 * What happened in a window: every record of it counts.
 *
 * Quantiles are durations that occurred when `quantile_error` is 0, else at most that share below
 * one: beyond two million spans, 0.0078.
 * Each list holds its first `limit` items: services by spans, errors by count, slowest operations
 * by p95, logs by errors, metrics by points; the count beside it says how many there are in all.
 */
export interface Summary {
	window: Window;
	window_seconds: number;
	service_filter: string | null;
	limit: number;
	quantile_error: number;
	traces: SpanTotals;
	service_count: number;
	top_services: ServiceSummary[];
	operation_count: number;
	slowest_operations: OperationSummary[];
	error_operation_count: number;
	top_error_operations: OperationSummary[];
	error_group_count: number;
	top_errors: ErrorGroup[];
	logs: SeverityCounts;
	log_service_count: number;
	logs_by_service: ServiceLogs[];
	metrics: MetricTotals;
	genai: GenAiTotals;
}

/** Nothing more is to be said. */
export type SyncAsked = Record<string, unknown>;

/** What a sync came to: `synced` went out in it, `failed` and `pending` are what is left. */
export interface SyncReport {
	synced: number;
	failed: number;
	pending: number;
	pulled: number;
	conflicts: number;
	outcome: string;
	error: string | null;
}

/** A column as `clew sql --schema` shows it. */
export interface TableColumn {
	name: string;
	type: string;
	comment: string;
}

/** A table that SQL may read. */
export interface TableSchema {
	name: string;
	columns: TableColumn[];
}

/**
 * What one table takes on disk. `bytes` is all of it; rows in memory are not counted.
 *
 * `data_bytes` are the columns compressed, `uncompressed_bytes` the same before; `index_bytes`
 * the indexes beside them.
 */
export interface TableStorage {
	table: string;
	signal: string;
	rows: number;
	parts: number;
	bytes: number;
	data_bytes: number;
	uncompressed_bytes: number;
	index_bytes: number;
}

/**
 * Something that can be looked at.
 *
 * The id of a span is ``TRACE/SPAN``, that of an object ``TYPE/ID``; a service and a metric are
 * named. A query cannot be named: it becomes a link by being asked.
 */
export interface Target {
	kind: "app" | "lineage" | "metric" | "object" | "query" | "service" | "span" | "trace";
	id: string;
}

/** What a team did, by the sessions that were shared with it. */
export interface TeamActivity {
	team_id: string;
	total_sessions: number;
	total_focus_hours: number;
	active_members: number;
	members: MemberActivity[];
	recent_sessions: RecentSession[];
}

/** A team. `role` is one's own in it; `consents` are the kinds that may be shared with it. */
export interface TeamHead {
	id: string;
	name: string;
	role: string | null;
	members: number;
	chosen: boolean;
	consents: string[];
	sync_status: string;
}

/** The teams that one belongs to, by name. */
export interface TeamList {
	teams: TeamHead[];
	count: number;
}

/** Of which team; the chosen one, or the only one, when it is left out. */
export interface TeamQuery {
	team_id?: string | null;
}

/** A shared session whole: `notes` and `links` are documents of a session's, oldest first. */
export interface TeamSession {
	id: string;
	session_id: string;
	team_id: string;
	title: string;
	user_id: string;
	display_name: string | null;
	mine: boolean;
	start_time: string;
	end_time: string | null;
	planned_minutes: number;
	seconds: number | null;
	completed: boolean;
	findings: number;
	notes: (Record<string, unknown>)[];
	links: (Record<string, unknown>)[];
}

/** A session that somebody shared. `session_id` is its id where it was worked, `mine` whose. */
export interface TeamSessionHead {
	id: string;
	session_id: string;
	team_id: string;
	title: string;
	user_id: string;
	display_name: string | null;
	mine: boolean;
	start_time: string;
	end_time: string | null;
	planned_minutes: number;
	seconds: number | null;
	completed: boolean;
	findings: number;
}

/** The sessions that were shared with a team, the newest first. */
export interface TeamSessionList {
	sessions: TeamSessionHead[];
	count: number;
	total: number;
	truncated: boolean;
}

/**
 * How things stand with the team's server.
 *
 * `link` is online, offline, paused or unknown; `live` that it tells of changes as they happen.
 * `tokens` says how they are kept: keyring, file or memory. `conflicts` were not looked at yet;
 * `conflicts_dropped` were so old and so many that they were forgotten, without anybody's look.
 */
export interface TeamStatus {
	connected: boolean;
	server: string | null;
	user: string | null;
	team_id: string | null;
	team: string | null;
	link: string;
	live: boolean;
	tokens: string;
	pause: string | null;
	queue: QueueCounts;
	conflicts: number;
	last_round: RoundReport | null;
	accounts: AccountHead[];
	conflicts_dropped?: number;
}

/** How an app shows who it is (`secLevel` of TRAILS). */
export type Tier = "full" | "open" | "signed";

/**
 * Events of one object. Those of before `kept_from` are gone, where there is such a moment.
 *
 * With `recorded_at` those that had come by then.
 */
export interface Timeline {
	events: TimelineEvent[];
	count: number;
	truncated: boolean;
	total?: number | null;
	at_least?: number | null;
	next?: string | null;
	kept_from?: string | null;
	recorded_at?: string | null;
	segments?: Segment[] | null;
}

/**
 * One event. `changes` are the fields that it sets, `data` what it says besides.
 *
 * `verdict` is accepted, warned or rejected; `issues` say why. `received_at` is its recorded time:
 * when the server took it in, for the first time where it was sent again.
 */
export interface TimelineEvent {
	event_id: string;
	at: string;
	seq: number;
	type: string;
	obj_type: string;
	obj_id: string;
	name: string | null;
	changes: Record<string, unknown>;
	data: Record<string, unknown>;
	body: string;
	phase: string | null;
	status: string | null;
	trace_id: string | null;
	span_id: string | null;
	service: string;
	writer: string | null;
	registry_checksum: string | null;
	verdict: string;
	issues: (Record<string, unknown>)[];
	received_at: string;
}

/**
 * Tokens of calls of models.
 *
 * Those of a cache are part of `input`, those of reasoning part of `output`. `calls_without` are
 * calls whose spans report no tokens: what is missing here.
 */
export interface Tokens {
	input: number;
	output: number;
	cache_read: number;
	cache_creation: number;
	reasoning: number;
	calls_without: number;
}

/** Calls of one tool by one agent. */
export interface ToolUsage {
	tool: string;
	calls: number;
	failures: number;
	failure_rate: number;
	avg_ms: number;
}

/**
 * The graph of services in a window, exact over all its spans; the busiest edges first.
 *
 * Parents and linked spans are looked for in the window and a margin around it; how many were not
 * there is said. `nodes` are those of the edges shown and, unless a service is asked for, every
 * service of the window.
 */
export interface Topology {
	window: Window;
	service_filter: string | null;
	services: string[];
	nodes: TopologyNode[];
	edges: TopologyEdge[];
	count: number;
	total: number;
	truncated: boolean;
	spans_examined: number;
	spans_with_parent_outside_window: number;
	links_to_spans_outside_window: number;
	margin_seconds: number;
}

/**
 * Who calls whom. Durations are of the span at the far end, of the call itself for a peer.
 *
 * `kind` is `call` for a span whose parent is of the other service, `messaging` where the two are
 * producer and consumer (or one of them and a queue), `link` for a span that links to another,
 * `unanswered` for a call that names a service of which no span answered it.
 */
export interface TopologyEdge {
	from: string;
	to: string;
	kind: "call" | "link" | "messaging" | "unanswered";
	calls: number;
	errors: number;
	error_rate: number;
	rate_per_second: number;
	avg_duration_ms: number;
	p95_duration_ms: number;
}

/**
 * A service, or what services call without hearing from it: its name is what they call it.
 *
 * `calls` and `errors` are those of the edges that lead here. `system` is the database or queue
 * product. Only services have spans.
 */
export interface TopologyNode {
	name: string;
	kind: "database" | "external" | "queue" | "service";
	system: string;
	span_count: number;
	calls: number;
	errors: number;
	error_rate: number;
}

/** Counts of one window. */
export interface Totals {
	spans: number;
	errors: number;
	logs: number;
	log_errors: number;
}

/** An object that a trace touched: its state at the step, and the number of its events. */
export interface Touched {
	twin: TwinState;
	events: number;
	changes: number;
}

/** The objects that a trace touched, at one of its steps. */
export interface TouchedObjects {
	trace_id: string;
	step: number;
	steps: number;
	at: string | null;
	event: TimelineEvent | null;
	objects: Touched[];
	count: number;
	truncated: boolean;
}

/**
 * One trace: its spans flat, ordered by start, parents before children at equal start.
 *
 * `depth` counts from 0 at a root. `self_time_ms` is the part of a span's duration in which none
 * of its children ran. `critical_path` marks the spans that the end of the trace waited for.
 * `missing_parents` are span ids that are named as a parent and not here.
 */
export interface Trace {
	trace_id: string;
	span_count: number;
	error_count: number;
	services: string[];
	start_time: string;
	end_time: string;
	duration_ms: number;
	spans: Span[];
	missing_parents: string[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/**
 * An app of the tree whose process wrote spans of the trace, and how it stands now.
 *
 * One that the tree does not know (its telemetry came from elsewhere) has no name and no status.
 */
export interface TraceApp {
	app_id: string;
	app_name: string | null;
	status: string | null;
	parent_id: string | null;
	path: string[];
	span_count: number;
	error_count: number;
}

/** Traces that hold a matching span, newest match first; with `explain` as in `SpanList`. */
export interface TraceList {
	traces: TraceSummary[];
	count: number;
	total?: number | null;
	at_least?: number | null;
	truncated: boolean;
	next?: string | null;
	explain?: Explanation | null;
}

/** The processes that ran under a trace, those that it touched first standing first. */
export interface TraceProcesses {
	trace_id: string;
	at: string;
	processes: ProcessTwin[];
	count: number;
	truncated: boolean;
}

/** A trace in one line: its root (or, without one, its earliest span) and its size. */
export interface TraceSummary {
	trace_id: string;
	service: string;
	operation: string;
	start_time: string;
	duration_ms: number;
	span_count: number;
	error_count: number;
	services: string[];
}

/**
 * An item, its trace id, and the stages and apps that had to do with that id.
 *
 * `stages` are the first of them, and `stage_count` says how many there are.
 */
export interface TracedItem {
	stream_id: number;
	epoch: string;
	seq: string;
	at: string;
	record?: ItemRecord;
	trace_id: string;
	stages: Stage[];
	stage_count: number;
	apps: StageApp[];
}

/**
 * A run told as a conversation: a page of its steps, and figures and findings over all of them.
 *
 * `content` is false when no step records what was said: most instrumentations leave that out
 * unless told to record it. `other_spans` are spans of the same traces that are not GenAI.
 * What a limit kept out is counted: `traces_left_out` older traces of the conversation,
 * `spans_left_out` later GenAI spans, `parents_left_out` later spans of which it was not looked up
 * what they ran under, `log_records_left_out` log records of what was said, and
 * `findings_left_out`. `notes` say in words what is not here and how to get it.
 */
export interface Transcript {
	conversation: string | null;
	trace_ids: string[];
	agents: string[];
	models: string[];
	services: string[];
	start_time: string;
	end_time: string;
	duration_ms: number;
	turns: number;
	tool_calls: number;
	error_count: number;
	tokens: Tokens;
	cost: Cost;
	findings: Finding[];
	content: boolean;
	steps: Step[];
	count: number;
	total: number;
	truncated: boolean;
	other_spans?: number;
	traces_left_out?: number;
	spans_left_out?: number;
	parents_left_out?: number;
	log_records_left_out?: number;
	findings_left_out?: number;
	notes?: string[];
	next?: string | null;
}

/**
 * What an object was at a moment.
 *
 * `exists` is false before the first event and after a deletion; then `state` is empty, or the
 * last one. `version` counts its changes. `state_hash` is equal for equal states. `phase` and
 * `status` are those of a process. `recorded_at` is there where it was asked for: what counts had
 * come by then.
 */
export interface TwinState {
	type: string;
	id: string;
	at: string;
	exists: boolean;
	state: Record<string, unknown>;
	version: number;
	state_hash: string;
	created_at: string | null;
	updated_at: string | null;
	last_event: EventPlace | null;
	registry_checksum: string | null;
	warnings: Remark[];
	phase?: string;
	status?: string;
	recorded_at?: string;
}

/** Several states, in the order asked for. */
export interface TwinStates {
	states: TwinState[];
	count: number;
	truncated?: boolean;
}

/**
 * An attribute value (or field) that is commoner among the bad spans.
 *
 * `value` is null where a key has too many values to tell apart: then it is about having the key
 * at all. `lift` is the ratio of the shares, null where no good span has it. `p_value` is adjusted
 * for all values compared, and `confidence` is 1 less that. `filter` selects such spans in `q=`.
 */
export interface ValueDifference {
	place: "field" | "resource" | "span";
	key: string;
	value: string | null;
	bad_count: number;
	good_count: number;
	bad_share: number;
	good_share: number;
	lift: number | null;
	p_value: number;
	confidence: number;
	filter: string;
}

/** Something that happened to an app; `docs/reference/watch.md` tells the documents' fields. */
export interface WatchEvent {
	id: number;
	at: string;
	kind: string;
	app_id: string;
	path: string[];
	document: unknown;
}

/** Events from `from` to `to`, both included, are left out: read the apps anew. */
export interface WatchLagged {
	kind: "lagged";
	id: number;
	from: number;
	to: number;
}

/** The feed is open: everything after `id` comes. */
export interface WatchReady {
	kind: "ready";
	id: number;
}

/** What opens the web socket of the feed once, until `expires_at`, for whoever asked for it. */
export interface WatchTicket {
	ticket: string;
	expires_at: string;
}

/**
 * Who the server takes a caller for, and what it may do: `verbs` everywhere in its scope.
 *
 * `app_id` is the app to whose subtree a key is bound. Of an app, where it stands decides.
 */
export interface Whoami {
	kind: string;
	name: string;
	verbs: string[];
	app_id: string | null;
}

/** From `start_time` up to, not including, `end_time`. */
export interface Window {
	start_time: string;
	end_time: string;
	seconds: number;
}

/**
 * Operations, those on their way first, then in the order in which they would be sent.
 *
 * Of those set aside, the last first.
 */
export interface ClewTeamTeamsDocumentsOperationList {
	operations: QueuedOperation[];
	count: number;
	total: number;
	truncated: boolean;
}

/** Operations with their figures, busiest first. */
export interface ClewTelemetryDocumentsOperationList {
	operations: OperationStats[];
	count: number;
	total: number;
	truncated: boolean;
	next?: string | null;
}

/** One message; `direction` says whether the model was given it or answered it. */
export interface ClewTelemetryGenaiDocumentsMessage {
	role: string;
	direction: "input" | "output";
	parts: Part[];
	name?: string | null;
}

/**
 * One message of an app, or of the agent that watches its process (`source`).
 *
 * `late`: it came after the app's end, or belongs to an epoch that was over.
 */
export interface ClewTreeDocumentsMessage {
	id: number;
	app_id: string;
	epoch: number;
	source: string;
	seq: number;
	msg_type: string;
	correlation_id: string | null;
	payload: unknown;
	late: boolean;
	sent_at: string | null;
	received_at: string;
}

/** What `GET` asks and answers, by path. */
export interface GetRoutes {
	"/api/v1/admin/grants": {
		query: { app_id?: string | undefined; sub?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: AppGrantList;
	};
	"/api/v1/admin/revoked-keys": {
		query: { limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: RevokedKeyList;
	};
	"/api/v1/admin/role-refs": {
		query: { limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: RoleRefList;
	};
	"/api/v1/admin/role-refs/{name}": {
		query: Record<string, never>;
		body: undefined;
		answer: RoleRefAnswer;
	};
	"/api/v1/admin/role-refs/{name}/history": {
		query: { limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: RoleRefHistory;
	};
	"/api/v1/agents": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: AgentList;
	};
	"/api/v1/anomalies": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; baseline?: string | undefined; baseline_start?: string | undefined; baseline_end?: string | undefined; service?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: AnomalyReport;
	};
	"/api/v1/apps": {
		query: { limit?: number | undefined; next?: string | undefined; namespace?: string | undefined; status?: ("cancelled" | "connected" | "crashed" | "done" | "error" | "lost_contact" | "reconnecting" | "running" | "scheduled" | "start_failed")[] | undefined; parent_id?: string | undefined; within?: string | undefined; name?: string | undefined; role_ref?: string | undefined; text?: string | undefined; active?: string | undefined; order?: "newest" | "tree" | undefined };
		body: undefined;
		answer: AppList;
	};
	"/api/v1/apps/{app_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: App;
	};
	"/api/v1/apps/{app_id}/children": {
		query: { limit?: number | undefined; next?: string | undefined; recursive?: boolean | undefined; status?: ("cancelled" | "connected" | "crashed" | "done" | "error" | "lost_contact" | "reconnecting" | "running" | "scheduled" | "start_failed")[] | undefined };
		body: undefined;
		answer: AppList;
	};
	"/api/v1/apps/{app_id}/messages": {
		query: { limit?: number | undefined; next?: string | undefined; type?: "Error" | "Result" | "Status" | undefined };
		body: undefined;
		answer: MessageList;
	};
	"/api/v1/apps/{app_id}/snapshots": {
		query: { limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: SnapshotList;
	};
	"/api/v1/apps/{app_id}/snapshots/latest": {
		query: Record<string, never>;
		body: undefined;
		answer: Snapshot;
	};
	"/api/v1/attributes": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; signal?: "logs" | "metrics" | "traces" | undefined; place?: "event" | "log" | "metric" | "resource" | "scope" | "span" | undefined; service?: string | undefined; prefix?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: AttributeList;
	};
	"/api/v1/attributes/{key}/values": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; signal?: "logs" | "metrics" | "traces" | undefined; place?: "event" | "log" | "metric" | "resource" | "scope" | "span" | undefined; service?: string | undefined; prefix?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: AttributeValueList;
	};
	"/api/v1/audit": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; caller?: string | undefined; action?: string | undefined; app_id?: string | undefined; allowed?: boolean | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: AuditList;
	};
	"/api/v1/comments": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; span_id?: string | undefined; author?: string | undefined; text?: string | undefined; limit?: number | undefined; next?: string | undefined; trace_id?: string | undefined; order?: "newest" | "oldest" | undefined };
		body: undefined;
		answer: CommentList;
	};
	"/api/v1/comments/{comment_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: CommentAnswer;
	};
	"/api/v1/control/{correlation_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Command;
	};
	"/api/v1/conversations": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; agent?: string | undefined; model?: string | undefined; tool?: string | undefined; errors?: boolean | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: ConversationList;
	};
	"/api/v1/correlate": {
		query: { trace: string; limit?: number | undefined; margin?: string | undefined };
		body: undefined;
		answer: CorrelateReport;
	};
	"/api/v1/crashes": {
		query: { limit?: number | undefined; next?: string | undefined; since?: string | undefined; namespace?: string | undefined; app_id?: string | undefined; within?: string | undefined };
		body: undefined;
		answer: CrashList;
	};
	"/api/v1/density": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; buckets?: number | undefined };
		body: undefined;
		answer: Density;
	};
	"/api/v1/diff": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; baseline?: string | undefined; baseline_start?: string | undefined; baseline_end?: string | undefined; service?: string | undefined; bad?: string | undefined; good?: string | undefined; against?: "baseline" | "rest" | undefined; limit?: number | undefined };
		body: undefined;
		answer: DifferenceReport;
	};
	"/api/v1/health": {
		query: Record<string, never>;
		body: undefined;
		answer: Health;
	};
	"/api/v1/ingest/status": {
		query: Record<string, never>;
		body: undefined;
		answer: IngestStatus;
	};
	"/api/v1/keys": {
		query: { state?: "all" | "live" | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: KeyList;
	};
	"/api/v1/lineage/items": {
		query: { trace_id?: string | undefined; stream_id?: string | undefined; epoch?: string | undefined; seq?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: ItemList;
	};
	"/api/v1/lineage/nodes": {
		query: { node_id?: number | undefined; limit?: number | undefined };
		body: undefined;
		answer: LeaseList;
	};
	"/api/v1/lineage/path": {
		query: { from: string; to: string; depth?: number | undefined; limit?: number | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined };
		body: undefined;
		answer: LineagePath;
	};
	"/api/v1/lineage/{trace_id}": {
		query: { direction?: "down" | "up" | undefined; depth?: number | undefined; limit?: number | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined };
		body: undefined;
		answer: Lineage;
	};
	"/api/v1/lineage/{trace_id}/prov": {
		query: { direction?: "down" | "up" | undefined; depth?: number | undefined; limit?: number | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined };
		body: undefined;
		answer: ProvDocument;
	};
	"/api/v1/logs": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; limit?: number | undefined; next?: string | undefined; count?: "exact" | undefined; service?: string | undefined; severity?: "debug" | "error" | "fatal" | "info" | "trace" | "warn" | undefined; min_severity?: "debug" | "error" | "fatal" | "info" | "trace" | "warn" | undefined; body_contains?: string | undefined; trace_id?: string | undefined; span_id?: string | undefined; attribute?: string[] | undefined; q?: string | undefined; text?: string | undefined; attributes?: "text" | "typed" | undefined };
		body: undefined;
		answer: LogList;
	};
	"/api/v1/logs/patterns": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; severity?: "debug" | "error" | "fatal" | "info" | "trace" | "warn" | undefined; min_severity?: "debug" | "error" | "fatal" | "info" | "trace" | "warn" | undefined; attribute?: string[] | undefined; q?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: LogPatternList;
	};
	"/api/v1/metrics": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; limit?: number | undefined; next?: string | undefined; count?: "exact" | undefined; service?: string | undefined; name?: string | undefined; metric_type?: "gauge" | "histogram" | "sum" | "summary" | undefined; attribute?: string[] | undefined; attributes?: "text" | "typed" | undefined; own?: boolean | undefined };
		body: undefined;
		answer: MetricList;
	};
	"/api/v1/metrics/query": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; name: string; service?: string | undefined; attribute?: string[] | undefined; step?: string | undefined; aggregate?: "avg" | "count" | "last" | "max" | "min" | "p50" | "p95" | "p99" | "rate" | "sum" | undefined; by?: string[] | undefined; limit?: number | undefined; own?: boolean | undefined };
		body: undefined;
		answer: SeriesList;
	};
	"/api/v1/metrics/{name}": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; own?: boolean | undefined };
		body: undefined;
		answer: MetricDetail;
	};
	"/api/v1/objects": {
		query: { limit?: number | undefined; next?: string | undefined; type?: string | undefined; id?: string | undefined; text?: string | undefined; service?: string | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined; deleted?: boolean | undefined };
		body: undefined;
		answer: ObjectList;
	};
	"/api/v1/objects/{type}/{id}": {
		query: { at?: string | undefined; recorded_at?: string | undefined; raw?: boolean | undefined };
		body: undefined;
		answer: TwinState;
	};
	"/api/v1/objects/{type}/{id}/diff": {
		query: { from: string; to?: string | undefined; recorded_at?: string | undefined };
		body: undefined;
		answer: Difference;
	};
	"/api/v1/objects/{type}/{id}/graph": {
		query: { at?: string | undefined; recorded_at?: string | undefined; depth?: number | undefined; limit?: number | undefined };
		body: undefined;
		answer: ObjectGraph;
	};
	"/api/v1/objects/{type}/{id}/history/{field}": {
		query: { limit?: number | undefined; next?: string | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined; recorded_at?: string | undefined; distinct?: boolean | undefined; newest_first?: boolean | undefined };
		body: undefined;
		answer: FieldHistory;
	};
	"/api/v1/objects/{type}/{id}/states": {
		query: { at?: string[] | undefined; start?: string | undefined; end?: string | undefined; recorded_at?: string | undefined; steps?: number | undefined };
		body: undefined;
		answer: TwinStates;
	};
	"/api/v1/objects/{type}/{id}/timeline": {
		query: { limit?: number | undefined; next?: string | undefined; event_type?: ("action" | "created" | "deleted" | "event" | "log" | "phase_change" | "snapshot" | "state_change")[] | undefined; field?: string[] | undefined; changes?: boolean | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined; recorded_at?: string | undefined; newest_first?: boolean | undefined; segment?: string | undefined };
		body: undefined;
		answer: Timeline;
	};
	"/api/v1/operations": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: ClewTelemetryDocumentsOperationList;
	};
	"/api/v1/processes": {
		query: { limit?: number | undefined; next?: string | undefined; type?: string | undefined; phase?: string | undefined; status?: ("completed" | "failed" | "started" | "stuck" | "timed_out")[] | undefined; service?: string | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined };
		body: undefined;
		answer: ProcessList;
	};
	"/api/v1/processes/{trace_id}": {
		query: { at?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: TraceProcesses;
	};
	"/api/v1/registry": {
		query: { name?: string | undefined };
		body: undefined;
		answer: RegistryFile;
	};
	"/api/v1/registry/versions": {
		query: Record<string, never>;
		body: undefined;
		answer: RegistryList;
	};
	"/api/v1/registry/{checksum}": {
		query: Record<string, never>;
		body: undefined;
		answer: RegistryFile;
	};
	"/api/v1/rejected": {
		query: { limit?: number | undefined; next?: string | undefined; type?: string | undefined; id?: string | undefined; code?: string | undefined; service?: string | undefined; last?: string | undefined; start?: string | undefined; end?: string | undefined; warned?: boolean | undefined };
		body: undefined;
		answer: RejectedList;
	};
	"/api/v1/services": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: ServiceList;
	};
	"/api/v1/services/{service}/operations": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: ClewTelemetryDocumentsOperationList;
	};
	"/api/v1/sessions": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; owner?: string | undefined; open?: boolean | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: SessionList;
	};
	"/api/v1/sessions/activity": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; owner?: string | undefined };
		body: undefined;
		answer: ActivityReport;
	};
	"/api/v1/sessions/{session_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Session;
	};
	"/api/v1/shards": {
		query: Record<string, never>;
		body: undefined;
		answer: ShardList;
	};
	"/api/v1/sql": {
		query: { q: string; limit?: number | undefined };
		body: undefined;
		answer: SqlAnswer;
	};
	"/api/v1/sql/schema": {
		query: Record<string, never>;
		body: undefined;
		answer: SqlSchema;
	};
	"/api/v1/suggest": {
		query: { kind: "attribute" | "operation" | "service"; text: string };
		body: undefined;
		answer: Suggestions;
	};
	"/api/v1/summary": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: Summary;
	};
	"/api/v1/team": {
		query: Record<string, never>;
		body: undefined;
		answer: TeamStatus;
	};
	"/api/v1/team/activity": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: TeamActivity;
	};
	"/api/v1/team/conflicts": {
		query: { resolved?: boolean | undefined; limit?: number | undefined; next?: string | undefined };
		body: undefined;
		answer: ConflictList;
	};
	"/api/v1/team/conflicts/{conflict_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: ConflictHead;
	};
	"/api/v1/team/invites": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: InviteList;
	};
	"/api/v1/team/members": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: MemberList;
	};
	"/api/v1/team/queries": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: QueryList;
	};
	"/api/v1/team/queue": {
		query: { state?: "failed" | "pending" | undefined; limit?: number | undefined };
		body: undefined;
		answer: ClewTeamTeamsDocumentsOperationList;
	};
	"/api/v1/team/rounds": {
		query: { limit?: number | undefined };
		body: undefined;
		answer: RoundList;
	};
	"/api/v1/team/sessions": {
		query: { team_id?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: TeamSessionList;
	};
	"/api/v1/team/sessions/{session_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: TeamSession;
	};
	"/api/v1/team/teams": {
		query: Record<string, never>;
		body: undefined;
		answer: TeamList;
	};
	"/api/v1/topology": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; service?: string | undefined; limit?: number | undefined };
		body: undefined;
		answer: Topology;
	};
	"/api/v1/traces": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; limit?: number | undefined; next?: string | undefined; count?: "exact" | undefined; service?: string | undefined; operation?: string | undefined; min_duration_ms?: number | undefined; max_duration_ms?: number | undefined; status?: "error" | "ok" | "unset" | undefined; kind?: "client" | "consumer" | "internal" | "producer" | "server" | undefined; trace_id?: string | undefined; root?: boolean | undefined; attribute?: string[] | undefined; q?: string | undefined; text?: string | undefined; view?: "spans" | "traces" | undefined; attributes?: "text" | "typed" | undefined; own?: boolean | undefined; explain?: boolean | undefined };
		body: undefined;
		answer: SpanList | TraceList;
	};
	"/api/v1/traces/{trace_id}": {
		query: { attributes?: "text" | "typed" | undefined; limit?: number | undefined; own?: boolean | undefined };
		body: undefined;
		answer: Trace;
	};
	"/api/v1/traces/{trace_id}/comments": {
		query: { last?: string | undefined; start?: string | undefined; end?: string | undefined; span_id?: string | undefined; author?: string | undefined; text?: string | undefined; limit?: number | undefined; next?: string | undefined; order?: "newest" | "oldest" | undefined };
		body: undefined;
		answer: CommentList;
	};
	"/api/v1/traces/{trace_id}/objects": {
		query: { step?: number | undefined; limit?: number | undefined };
		body: undefined;
		answer: TouchedObjects;
	};
	"/api/v1/transcript/{name}": {
		query: { limit?: number | undefined; next?: string | undefined; max_chars?: number | undefined; full?: boolean | undefined };
		body: undefined;
		answer: Transcript;
	};
	"/api/v1/whoami": {
		query: Record<string, never>;
		body: undefined;
		answer: Whoami;
	};
	"/internal/cluster": {
		query: Record<string, never>;
		body: undefined;
		answer: GroupStatus;
	};
	"/readyz": {
		query: { writes?: boolean | undefined };
		body: undefined;
		answer: Readiness;
	};
}

/** What `POST` asks and answers, by path. */
export interface PostRoutes {
	"/api/v1/admin/grants": {
		query: Record<string, never>;
		body: NewGrant;
		answer: AppGrantAnswer;
	};
	"/api/v1/admin/revoked-keys": {
		query: Record<string, never>;
		body: NewRevokedKey;
		answer: RevokedKeyAnswer;
	};
	"/api/v1/admin/role-refs": {
		query: Record<string, never>;
		body: NewRoleRef;
		answer: RoleRefAnswer;
	};
	"/api/v1/apps/{app_id}/cancel": {
		query: { wait?: string | undefined; cascade?: boolean | undefined; grace_ms?: number | undefined; kill_after_ms?: number | undefined; reason?: string | undefined; include_detached?: boolean | undefined };
		body: undefined;
		answer: Cancelled;
	};
	"/api/v1/apps/{app_id}/control": {
		query: { wait?: string | undefined };
		body: NewCommand;
		answer: Command;
	};
	"/api/v1/children": {
		query: Record<string, never>;
		body: NewChild;
		answer: ChildScheduled;
	};
	"/api/v1/comments/{comment_id}/share": {
		query: Record<string, never>;
		body: NewShare;
		answer: Shared;
	};
	"/api/v1/keys": {
		query: Record<string, never>;
		body: NewKey;
		answer: KeyCreated;
	};
	"/api/v1/lineage/nodes": {
		query: Record<string, never>;
		body: NewLease;
		answer: Lease;
	};
	"/api/v1/lineage/openlineage": {
		query: Record<string, never>;
		body: RunEvent;
		answer: EventsTaken;
	};
	"/api/v1/links": {
		query: Record<string, never>;
		body: NewLinks;
		answer: LinksTaken;
	};
	"/api/v1/objects/states": {
		query: Record<string, never>;
		body: StatesQuery;
		answer: TwinStates;
	};
	"/api/v1/sessions": {
		query: Record<string, never>;
		body: NewSession;
		answer: Session;
	};
	"/api/v1/sessions/{session_id}/links": {
		query: Record<string, never>;
		body: Target;
		answer: Link;
	};
	"/api/v1/sessions/{session_id}/notes": {
		query: Record<string, never>;
		body: NewNote;
		answer: Note;
	};
	"/api/v1/sessions/{session_id}/share": {
		query: Record<string, never>;
		body: NewShare;
		answer: Shared;
	};
	"/api/v1/sessions/{session_id}/stop": {
		query: Record<string, never>;
		body: undefined;
		answer: Session;
	};
	"/api/v1/sql": {
		query: Record<string, never>;
		body: SqlParameters;
		answer: SqlAnswer;
	};
	"/api/v1/team/choose": {
		query: Record<string, never>;
		body: AccountChoice;
		answer: TeamStatus;
	};
	"/api/v1/team/conflicts/{conflict_id}/resolve": {
		query: Record<string, never>;
		body: ConflictResolution;
		answer: ConflictHead;
	};
	"/api/v1/team/connect": {
		query: Record<string, never>;
		body: NewConnection;
		answer: Connection;
	};
	"/api/v1/team/consent": {
		query: Record<string, never>;
		body: ConsentChange;
		answer: TeamHead;
	};
	"/api/v1/team/disconnect": {
		query: Record<string, never>;
		body: Disconnection;
		answer: TeamStatus;
	};
	"/api/v1/team/invites": {
		query: Record<string, never>;
		body: NewInvite;
		answer: InviteHead;
	};
	"/api/v1/team/join": {
		query: Record<string, never>;
		body: NewJoin;
		answer: Joined;
	};
	"/api/v1/team/leave": {
		query: Record<string, never>;
		body: TeamQuery;
		answer: Changed;
	};
	"/api/v1/team/queries": {
		query: Record<string, never>;
		body: NewQuery;
		answer: QueryHead;
	};
	"/api/v1/team/queue/clear": {
		query: Record<string, never>;
		body: OperationChoice;
		answer: Changed;
	};
	"/api/v1/team/queue/retry": {
		query: Record<string, never>;
		body: OperationChoice;
		answer: Changed;
	};
	"/api/v1/team/sync": {
		query: Record<string, never>;
		body: SyncAsked;
		answer: SyncReport;
	};
	"/api/v1/team/teams": {
		query: Record<string, never>;
		body: NewTeam;
		answer: TeamHead;
	};
	"/api/v1/traces/{trace_id}/comments": {
		query: Record<string, never>;
		body: NewComment;
		answer: CommentAnswer;
	};
	"/api/v1/watch/tickets": {
		query: Record<string, never>;
		body: undefined;
		answer: WatchTicket;
	};
	"/internal/promote": {
		query: Record<string, never>;
		body: PromotionAsked;
		answer: Promotion;
	};
}

/** What `PUT` asks and answers, by path. */
export interface PutRoutes {
	"/api/v1/admin/role-refs/{name}": {
		query: Record<string, never>;
		body: RoleRefEdit;
		answer: RoleRefAnswer;
	};
	"/api/v1/lineage/nodes/{lease_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Lease;
	};
	"/api/v1/registry": {
		query: Record<string, never>;
		body: RegistryFile;
		answer: RegistryStored;
	};
}

/** What `PATCH` asks and answers, by path. */
export interface PatchRoutes {
	"/api/v1/comments/{comment_id}": {
		query: Record<string, never>;
		body: CommentEdit;
		answer: CommentAnswer;
	};
	"/api/v1/sessions/{session_id}": {
		query: Record<string, never>;
		body: SessionChange;
		answer: Session;
	};
	"/api/v1/team/members/{user_id}": {
		query: Record<string, never>;
		body: RoleChange;
		answer: MemberHead;
	};
}

/** What `DELETE` asks and answers, by path. */
export interface DeleteRoutes {
	"/api/v1/admin/grants/{grant_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: AppGrantAnswer;
	};
	"/api/v1/admin/revoked-keys/{pub_key}": {
		query: Record<string, never>;
		body: undefined;
		answer: RevokedKeyAnswer;
	};
	"/api/v1/admin/role-refs/{name}": {
		query: Record<string, never>;
		body: undefined;
		answer: RoleRefAnswer;
	};
	"/api/v1/children/{app_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: ChildCancelled;
	};
	"/api/v1/comments/{comment_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: CommentAnswer;
	};
	"/api/v1/comments/{comment_id}/share": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: Changed;
	};
	"/api/v1/keys/{key_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: KeyAnswer;
	};
	"/api/v1/lineage/nodes/{lease_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Lease;
	};
	"/api/v1/sessions/{session_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Session;
	};
	"/api/v1/sessions/{session_id}/links/{kind}/{link_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Link;
	};
	"/api/v1/sessions/{session_id}/notes/{note_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Note;
	};
	"/api/v1/sessions/{session_id}/share": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: Changed;
	};
	"/api/v1/team/invites/{invite_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Changed;
	};
	"/api/v1/team/members/{user_id}": {
		query: { team_id?: string | undefined };
		body: undefined;
		answer: MemberHead;
	};
	"/api/v1/team/queries/{query_id}": {
		query: Record<string, never>;
		body: undefined;
		answer: Changed;
	};
}

