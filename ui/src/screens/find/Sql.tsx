/** SQL over everything: one read-only statement, its rows, and the tables there are. */

import { useState } from "preact/hooks";
import { get, type Problem, post } from "../../api/client";
import type { SqlAnswer, SqlSchema } from "../../api/schema";
import { CompletingText } from "../../parts/CompletingText";
import { Hint } from "../../parts/Hint";
import { Nothing, Shown } from "../../parts/States";
import { sayDuration, sayMany } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDraft } from "../../state/draft";
import { change, param } from "../../state/place";
import { completeStatement, faultOfStatement } from "./statement";

const FIRST =
	"SELECT ServiceName, count() AS spans FROM otel_traces GROUP BY ServiceName ORDER BY spans DESC";

const LIMIT = 1000;

export function Sql() {
	const asked = param("sql");
	const [text, setText] = useDraft(asked, FIRST);
	const [round, setRound] = useState(0);
	const schema = useAnswer<SqlSchema>("schema", (until) => get("/api/v1/sql/schema", { until }));
	const answer = useAnswer<SqlAnswer>(
		asked === null ? null : `${asked} ${round}`,
		(until) => post("/api/v1/sql", { body: { q: asked ?? "", limit: LIMIT }, until }),
		asked ?? "",
	);
	const run = () => {
		change({ sql: text });
		setRound(round + 1);
	};
	// Marked for as long as the statement is the one that was asked.
	const isWrong = isOfStatement(answer.problem);
	const fault =
		isWrong && text === asked ? faultOfStatement(answer.problem?.message ?? "", text) : null;
	return (
		<div class="split">
			<div class="sql">
				<CompletingText
					label="Statement"
					isLong
					value={text}
					fault={fault}
					complete={async (written, caret) =>
						schema.data === undefined
							? { from: 0, to: 0, found: [] }
							: completeStatement(written, caret, schema.data)
					}
					onText={setText}
					onSend={run}
				/>
				<div class="bar counted">
					<button type="button" class="primary" onClick={run}>
						Run <kbd>⌘↵</kbd>
					</button>
					{answer.data && asked !== null && (
						<span class="soft">
							{sayMany(answer.data.count, "row")}
							{answer.data.truncated ? ", and more" : ""} in {sayDuration(answer.data.elapsed_ms)}
						</span>
					)}
				</div>
				{asked === null && (
					<Nothing title="Ask anything of what is stored">
						<p>
							Read-only, in ClickHouse's dialect. Tables, columns and examples are beside this;
							names complete while you type.
						</p>
					</Nothing>
				)}
				{isWrong && (
					<Nothing title="The statement cannot be run">
						<p>
							{answer.problem?.message}
							{fault !== null && ": marked above"}.
						</p>
						{answer.problem?.hint && (
							<p class="soft">
								<Hint text={answer.problem.hint} />
							</p>
						)}
					</Nothing>
				)}
				{asked !== null && !isWrong && (
					<Shown
						of={answer}
						empty={(found) => (found.count > 0 ? null : <Nothing title="No rows" />)}
					>
						{(found) => <Table found={found} />}
					</Shown>
				)}
			</div>
			<aside class="side">
				<Shown of={schema}>
					{(found) => (
						<div class="stack">
							<h2>Tables</h2>
							{found.tables.map((table) => (
								<details key={table.name}>
									<summary class="mono">{table.name}</summary>
									<ul class="columns mono">
										{table.columns.map((column) => (
											<li key={column.name} title={column.type}>
												{column.name} <span class="soft">{column.type}</span>
											</li>
										))}
									</ul>
								</details>
							))}
							<h2>Examples</h2>
							{found.examples.map((example) => (
								<button
									type="button"
									key={example}
									class="example mono"
									onClick={() => setText(example)}
								>
									{example}
								</button>
							))}
						</div>
					)}
				</Shown>
			</aside>
		</div>
	);
}

/** Whether the statement is what is wrong: it cannot be read, or holds what may not be asked. */
function isOfStatement(problem: Problem | undefined): boolean {
	const { code, message } = problem ?? { code: "", message: "" };
	return (
		code === "invalid_argument" || (code === "forbidden" && message.endsWith("is not allowed"))
	);
}

function Table({ found }: { found: SqlAnswer }) {
	return (
		<div class="scroll">
			<table class="mono">
				<thead>
					<tr>
						{found.columns.map((column) => (
							<th
								key={column.name}
								title={column.type}
								class={typeof found.rows[0]?.[column.name] === "number" ? "number" : ""}
							>
								{column.name}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{found.rows.map((row, at) => (
						<tr key={at}>
							{found.columns.map((column) => (
								<td key={column.name} class={typeof row[column.name] === "number" ? "number" : ""}>
									{say(row[column.name])}
								</td>
							))}
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

function say(value: unknown): string {
	if (value === null || value === undefined) return "∅";
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}
