// Goes through what a client of TrailBase does, with the official one, and prints what came of it.
import { FetchError, initClient } from "trailbase";

const [url, email, password, owner, team, session] = process.argv.slice(2);
const out = {};

async function statusOf(work) {
  try {
    await work();
    return 200;
  } catch (error) {
    if (error instanceof FetchError) return error.status;
    throw error;
  }
}

const client = initClient(url);
out.second_step = (await client.login(email, password)) ?? null;
out.user = client.user();

await client.records("teams").create({ id: team, owner, name: "of Node" });
const sessions = client.records("shared_sessions");
const record = { team_id: team, owner, session_id: "s", planned_duration_minutes: 45 };

const reader = (await sessions.subscribeAll()).getReader();
out.created = await sessions.create({ id: session, title: "made", ...record });
out.event = (await reader.read()).value;
await reader.cancel();

out.read = await sessions.read(out.created);
const found = await sessions.list({
  filters: [
    {
      or: [
        { column: "title", op: "like", value: "ma%" },
        { column: "version", op: "greaterThan", value: "5" },
      ],
    },
  ],
  order: ["-server_seq"],
  pagination: { limit: 5 },
  count: true,
});
out.found = [found.total_count, found.records.map((one) => one.title), found.cursor ?? null];

await sessions.update(out.created, { version: 2, title: "changed" });
out.stale = await statusOf(() => sessions.update(out.created, { version: 2 }));
out.deleted = await statusOf(() => sessions.delete(out.created));
out.bulk = (await sessions.createBulk([record, record])).length;
out.executed = await client.execute([
  sessions.createOp({ ...record, title: "in a transaction" }),
  sessions.updateOp(out.created, { version: 3, title: "changed again" }),
]);

await client.refreshAuthToken({ force: true });
out.after_refresh = (await sessions.read(out.created)).title;
await client.logout();
out.after_logout = await statusOf(() => sessions.read(out.created));

console.log(JSON.stringify(out));
