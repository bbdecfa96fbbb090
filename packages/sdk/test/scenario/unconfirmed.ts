/** A sender in a group whose many messages wait for a word of their recipients. */
import { expect } from "vitest";
import { continueAgain } from "../../src/conversation/resend.ts";
import { applyTeamReceipt, continueReports } from "../../src/conversation/reports.ts";
import type { Receipt } from "../../src/conversation/receipt.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import type { TeamGroupRecord } from "../../src/records/team-records.ts";
import type { Turn } from "../../src/turn/turn.ts";
import { type Team, teamOf } from "../../src/turn/groups.ts";
import { gathered } from "./members.ts";
import { turns, workClock } from "./turns.ts";
import { World } from "./world.ts";

export const COUNT = 300;
/** A turn's time, with what it has begun, in steps of the clock that counts work. */
export const BOUND = 250;
/** In which they were sent. */
const EPOCH = 1;
export const all = Array.from({ length: COUNT }, (_, index) => 1_001 + index);
export const last = 1_000 + COUNT;
export const ids = (seqs: number[]) => seqs.map((seq) => `m${seq}`);

/** Alice, who has sent so many messages to a group that wait for a word of its members, without a relay. */
export async function unconfirmed(others: string[] = []) {
  await using world = await World.create();
  const { alice } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "hello")).handled();
  await alice.agent.close();
  const store = world.memory("alice");
  const [{ whom } = { whom: [] }] = await store.read((tx) => list(tx, "roster/"));
  const [{ group, key } = { group: "", key: "" }] = await store.read((tx) => list(tx, "team/"));
  await store.write(async (tx) => {
    const record = (await get(tx, "team-group/", group)) as TeamGroupRecord;
    await put(tx, "team-group/", group, { ...record, send_counter: last });
    await put(tx, "roster/", `${group}/${pad(EPOCH)}`, {
      whom: [...whom, ...others.map((name): [string, string] => [name, name])],
    });
    await tx.put("meta/next-out", "5000");
    for (const seq of all) {
      const row = { seq, id: `m${seq}`, kind: "message", to: `@${key}`, content_type: "text/plain" } as const;
      const recipients = {
        group,
        epoch: EPOCH,
        all: whom.length + others.length,
        received: 0,
        handled: 0,
        failed: 0,
        expired: 0,
        gone: 0,
      };
      const sent = { state: "stored", group, counter: seq, attempt: 0, recipients } as const;
      await put(tx, "out/", pad(seq), { ...row, ...sent, created_at: Date.now(), updated_at: Date.now() });
      await tx.put(`out-body/${pad(seq)}`, "text");
      await tx.put(`out-id/m${seq}`, String(seq));
      await tx.put(`sent/${group}/${pad(seq)}`, String(seq));
      await tx.put(`roster-row/${group}/${pad(EPOCH)}/${pad(seq)}`, "");
    }
  });
  const { clock, counted } = workClock();
  let { run, cache } = await turns(store, clock);
  /** One turn; it takes no longer than it may. @returns whether it has left something */
  const turn = async (work: (turn: Turn, team: Team) => Promise<unknown>, bound = BOUND): Promise<boolean> => {
    const since = clock();
    const isCut = await run(async (one) => {
      await work(one, (await teamOf(one, group)) as Team);
      return one.isCut;
    }, counted);
    expect(clock() - since).toBeLessThan(bound);
    return isCut;
  };
  /** The process dies, and another one has the link. */
  const restart = async (): Promise<void> => {
    ({ run, cache } = await turns(store, clock));
    await store.write((tx) => cache.load(tx));
  };
  const goOn = async (): Promise<void> => {
    for (let count = 0; await turn(continueBoth); count++) expect(count).toBeLessThan(5_000);
    for (const prefix of ["report/", "again/"]) expect(await store.read((tx) => tx.list({ prefix }))).toEqual([]);
  };
  /** Messages of Alice that have not left. @returns their places */
  const wait = async (count: number): Promise<number[]> => {
    const seqs = Array.from({ length: count }, (_, index) => 4_000 + index);
    await store.write(async (tx) => {
      for (const seq of seqs) {
        const row = { seq, id: `w${seq}`, kind: "message", to: `@${key}`, content_type: "text/plain" } as const;
        const queued = { state: "queued", attempt: 0, created_at: Date.now(), updated_at: Date.now() } as const;
        await put(tx, "out/", pad(seq), { ...row, ...queued });
        await tx.put(`out-body/${pad(seq)}`, "text");
        await tx.put(`queue/@${key}/${pad(seq)}`, "");
      }
    });
    return seqs;
  };
  const rows = () => store.read((tx) => list(tx, "out/", { after: pad(1_000) }));
  /** How many of the messages are in each state. */
  const states = async (): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const { kind, state } of await rows()) if (kind === "message") counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  };
  /** What became of each at one of them, by place. */
  const at = (name: string) =>
    store.read(async (tx) => {
      const found: [number, string][] = [];
      for (const seq of all) found.push([seq, (await get(tx, "to/", `${pad(seq)}/${name}`))?.state ?? "missing"]);
      return new Map(found);
    });
  return { store, turn, restart, goOn, rows, wait, states, at, group, key };
}

export async function continueBoth(one: Turn): Promise<void> {
  await continueAgain(one);
  await continueReports(one);
}

export function says(one: Turn, team: Team, from: string, receipt: Partial<Receipt>): Promise<void> {
  return applyTeamReceipt(one, team, from, utf8(JSON.stringify(receipt)));
}

/** Each message's counts are those of the words on it. */
export async function expectExact({ rows, at }: Awaited<ReturnType<typeof unconfirmed>>): Promise<void> {
  const [bob, carol] = [await at("bob"), await at("carol")];
  for (const { seq, recipients, kind } of await rows()) {
    if (kind !== "message") continue;
    const said = [bob.get(seq), carol.get(seq)];
    const of = (...wanted: string[]) => said.filter((state) => wanted.includes(state ?? "")).length;
    expect(recipients).toMatchObject({
      received: of("received", "handled", "failed", "refused"),
      handled: of("handled"),
      failed: of("failed", "refused"),
      gone: of("gone"),
    });
  }
}
