/** A team that was founded anew, and that this agent is out of before all that was not received there is in the new group. */
import { expect, test } from "vitest";
import { continueAgain } from "../../src/conversation/resend.ts";
import { beginInTeam } from "../../src/conversation/team-again.ts";
import { continueReports } from "../../src/conversation/reports.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import type { TeamGroupRecord } from "../../src/records/team-records.ts";
import { gathered } from "./members.ts";
import { turns, workClock } from "./turns.ts";
import { World } from "./world.ts";

for (const isKilled of [false, true])
  test(`what was not received before the end goes to nobody after it${isKilled ? ", also where the process dies in between" : ""}`, async () => {
    await using world = await World.create();
    const { alice } = await gathered(world, "alice", "bob", "carol");
    await (await alice.agent.send("@team", "hello")).handled();
    await alice.agent.close();
    const store = world.memory("alice");
    const [{ group, key } = { group: "", key: "" }] = await store.read((tx) => list(tx, "team/"));
    // The group that the present one has replaced: its id comes behind the present one's.
    const old = "f".repeat(64);
    await store.write(async (tx) => {
      const record = (await get(tx, "team-group/", group)) as TeamGroupRecord;
      await put(tx, "team-group/", old, { ...record, id: old, state: "replaced", send_counter: 2_000 });
      const [roster] = await list(tx, "roster/");
      await put(tx, "roster/", `${old}/${pad(99)}`, roster!);
      await tx.put("meta/next-out", "5000");
      for (let seq = 1_001; seq <= 1_300; seq++) {
        const row = { seq, id: `m${seq}`, kind: "message", to: `@${key}`, content_type: "text/plain" } as const;
        const recipients = { group: old, epoch: 99, all: 2, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
        await put(tx, "out/", pad(seq), {
          ...row,
          state: "stored",
          group: old,
          counter: seq,
          attempt: 0,
          recipients,
          created_at: Date.now(),
          updated_at: Date.now(),
        });
        await tx.put(`out-body/${pad(seq)}`, "text");
        await tx.put(`out-id/m${seq}`, String(seq));
        await tx.put(`sent/${old}/${pad(seq)}`, String(seq));
        await tx.put(`roster-row/${old}/${pad(99)}/${pad(seq)}`, "");
      }
    });
    const { clock, counted } = workClock();
    let { run } = await turns(store, clock);
    await run((one) => beginInTeam(one, { group: old, key, what: "sendAnew", isTeams: true }), counted);
    // The relay says that it is no member any more, and another admin adds it again.
    await run((one) => beginInTeam(one, { group, key, what: "end", isTeams: true }), counted);
    if (isKilled) {
      const again = await turns(store, clock);
      run = again.run;
      await store.write((tx) => again.cache.load(tx));
    }
    for (let count = 0; count < 3_000; count++) {
      const isCut = await run(async (one) => {
        await continueAgain(one);
        await continueReports(one);
        return one.isCut;
      }, counted);
      if (!isCut && (await store.read((tx) => tx.list({ prefix: "again/" }))).length === 0) break;
    }
    const queued = (await store.read((tx) => tx.list({ prefix: `queue/@${key}/` }))).length;
    expect(queued).toBe(0);
  });
