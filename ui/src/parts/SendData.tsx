/** The three lines that send data, for whoever has none yet. A test runs all of them. */

import { addressOf } from "../api/client";
import { standing } from "../state/standing";
import { ShardLinks } from "./ShardLinks";

/** Lines of a program that send something of each kind; they can be run as they are. */
const LINES = {
	spans: `import clew; clew.init("my-service")
from opentelemetry import trace
with trace.get_tracer("mine").start_as_current_span("hello"): pass`,
	logs: `import clew, logging
clew.init("my-service")
logging.warning("hello")`,
	metrics: `import clew; clew.init("my-service")
from opentelemetry import metrics
metrics.get_meter("mine").create_counter("hello").add(1)`,
	runs: `import clew; clew.init("my-service")
from opentelemetry import trace
trace.get_tracer("mine").start_span("chat", attributes={
    "gen_ai.operation.name": "chat", "gen_ai.agent.name": "helper"}).end()`,
	objects: `from clew.twin import TriLogLogger, anchor
with anchor("cart_123", "ShoppingCart"):
    TriLogLogger("mine").state_change(item_count=5)`,
	processes: `from clew.twin import TriLogLogger, anchor
with anchor("order_7", "Checkout"):
    TriLogLogger("mine").phase_change("payment")`,
	links: `from clew import lineage
lineage.enable_tracing(node_id=1, to="otlp", spans=True)
make = lineage.stage(lambda *of: "made"); make(make(), make())`,
} as const;

/** Where programs send to if nobody says otherwise. */
const USUAL = /^http:\/\/(127\.0\.0\.1|localhost):7701$/;

/** What is missing, and what brings it. */
export function SendData({ what = "spans" }: { what?: keyof typeof LINES }) {
	const { group, shards } = standing.value;
	const here = addressOf("/").href.replace(/\/$/, "");
	// A standby takes nothing in; whoever leads it does.
	const server = group === null || group.is_leader ? here : (group.leader_url ?? here);
	if (shards !== null)
		return (
			<p>
				This is a query tier, which takes nothing in. Send it to a shard, whose own page says how:{" "}
				<ShardLinks />. A Collector divides it among them, as <code>docs/guide/collector.md</code>{" "}
				shows.
			</p>
		);
	return (
		<>
			<p>Three lines of Python send some, and it appears here at once:</p>
			<pre>{LINES[what]}</pre>
			<p class="soft">
				{!USUAL.test(server) && (
					<>
						Say before it {server === here ? "that the server is here" : "where the leader is"}:{" "}
						<code>export CLEW_SERVER={server}</code>.{" "}
					</>
				)}
				Any OTLP exporter does as well, sent to <code>{server}</code>. Or let a small system run:{" "}
				<code>clew demo</code>
			</p>
		</>
	);
}
