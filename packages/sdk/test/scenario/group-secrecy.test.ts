/**
 * Who was removed from a group, and who was added to one: with copies of its store after each turn, with the relay's disk and all traffic it
 * opens nothing of what was admitted after the one, or before the other. `GROUP_MESSAGES=…` says how many there are, `SEED=…` who sends them.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { openAgent } from "../../src/agent/open.ts";
import { nodeFileHost } from "../../src/node/file-host.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { Random, seed } from "../random.ts";
import { type Copies, copying } from "./copied-store.ts";
import { GroupAttack } from "./group-attack.ts";
import { Evidence, type SealedKind } from "./group-evidence.ts";
import { caughtUp, eventually, follow, numbered, temporaryFolder, World } from "./world.ts";

const MESSAGES = Number(process.env["GROUP_MESSAGES"] ?? 200);
const KINDS: SealedKind[] = ["message", "commit", "direct", "welcome", "tree"];

/** Agents whose stores and files are in folders. */
class Crew implements AsyncDisposable {
  /** Of the stores of Mallory and Eve. */
  readonly copies = new Map<string, Copies>();
  readonly #agents = new Map<string, Agent>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async open(...names: string[]): Promise<void> {
    for (const username of names) {
      const folder = this.#world.folder();
      const own = await this.#world.sqlite(folder);
      const { store, copies } = ["mallory", "eve"].includes(username) ? copying(own) : { store: own };
      const files = nodeFileHost({ agent: folder, home: folder });
      const node = { provider: nodeCryptoProvider, transport: nodeTransport, files };
      const agent = await openAgent({ store, username, server: this.#world.server, ...node });
      this.#agents.set(username, agent);
      if (copies !== undefined) this.copies.set(username, copies);
      follow(agent);
      await agent.sync();
    }
  }

  agent(name: string): Agent {
    return this.#agents.get(name)!;
  }

  async close(name: string): Promise<void> {
    await this.agent(name).close();
    this.#agents.delete(name);
  }

  /** Until all have read what has come, and said so. */
  async caughtUp(): Promise<void> {
    for (const agent of this.#agents.values()) await caughtUp(agent);
  }

  async isIn(name: string): Promise<void> {
    await eventually(`${name} is in`, async () => (await this.agent(name).groups.list()).length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent.close();
  }
}

/** Says so much in the group, each time by somebody. */
async function talk(crew: Crew, random: Random, names: string[], count: number): Promise<void> {
  for (let left = count; left > 0; left -= 10) {
    const texts = numbered(Math.min(left, 10), "words that are for the members alone");
    const sent = await Promise.all(
      texts.map((text) => crew.agent(names[random.int(names.length)]!).send("@team", text)),
    );
    await Promise.all(sent.map((one) => one.stored()));
    await crew.caughtUp();
  }
}

function filesIn(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile() && /^[0-9a-f]{32}$/.test(entry.name)).map(({ name }) => `file ${name}`);
}

/** Twelve in a group, of whom Mallory is removed half-way; then Eve is added. One sleeps, whose mailbox keeps all. */
async function story() {
  const db = temporaryFolder();
  const world = await World.create({ store: "sqlite", db, noLimits: true });
  const crew = new Crew(world);
  const random = new Random();
  const staying = numbered(10, "member").map((name) => name.replace(" ", ""));
  const [admin, second, third] = staying as [string, string, string];
  await crew.open(...staying, "mallory", "sleeper");
  const { groups } = crew.agent(admin);
  await groups.create("team", [...staying.slice(1), "mallory", "sleeper"]);
  for (const name of [...staying, "mallory", "sleeper"]) await crew.isIn(name);
  await crew.close("sleeper");
  const withFile = async (from: string) => {
    const path = join(world.folder(), "plans.txt");
    writeFileSync(path, `plans of ${from}`);
    await (await crew.agent(from).send("@team", "plans", { files: [path] })).stored();
  };

  const part = Math.ceil(MESSAGES / 5);
  await talk(crew, random, [...staying, "mallory"], part);
  await groups.promote("team", [second]);
  await crew.open("late");
  await groups.add("team", ["late"]);
  await crew.isIn("late");
  await withFile(third);
  await talk(crew, random, [...staying, "mallory"], part);
  const early = filesIn(db);
  await groups.remove("team", ["mallory"]);
  await crew.caughtUp();
  await talk(crew, random, staying, part);
  await crew.open("eve", "later");
  await crew.agent(second).groups.add("team", ["eve"]);
  await crew.isIn("eve");
  await crew.caughtUp();
  await talk(crew, random, [...staying, "eve"], part);
  await groups.demote("team", [second]);
  await groups.add("team", ["later"]);
  await crew.isIn("later");
  await groups.remove("team", ["late"]);
  await withFile(third);
  await talk(crew, random, [...staying, "eve"], part);
  await crew.caughtUp();

  const commits = world.proxy.sentBy(admin, "commit").concat(world.proxy.sentBy(second, "commit"));
  const epochOf = (field: "add" | "remove", name: string) =>
    commits.find(({ data }) => JSON.stringify(data[field] ?? []).includes(`"${name}"`))!.data.epoch!;
  const { group_id } = commits[0]!.data;
  const evidence = new Evidence(world.proxy.recorded, db, group_id!);
  const late = filesIn(db).filter((name) => !early.includes(name));
  const ends = { removal: epochOf("remove", "mallory"), addition: epochOf("add", "eve") };
  return { world, crew, evidence, group: group_id!, files: { early, late }, ends };
}

async function nothingOpens(): Promise<void> {
  const { world: opened, crew: online, evidence, group, files, ends } = await story();
  await using world = opened;
  await using crew = online;
  expect([files.early, files.late].map(({ length }) => length)).toEqual([1, 1]);
  // The sleeper's mailbox alone has them all.
  expect(evidence.onDisk).toBeGreaterThanOrEqual(MESSAGES);

  const removed = await GroupAttack.by(crew.copies.get("mallory")!, group);
  const after = evidence.of(KINDS, (epoch) => epoch > ends.removal);
  const byRemoved = await removed.on(evidence.all);
  expect([...after, ...files.late].filter((name) => byRemoved.has(name))).toEqual([]);
  // In the same way it opens what was admitted while it was in, but for what was for one other alone.
  const until = evidence.of(["message", "commit", "direct"], (epoch) => epoch <= ends.removal);
  const own = ["welcome for mallory", "tree of epoch 2", ...files.early];
  expect([...until, ...own].filter((name) => !byRemoved.has(name))).toEqual([]);

  const added = await GroupAttack.by(crew.copies.get("eve")!, group);
  const before = evidence.of(KINDS, (epoch) => epoch <= ends.addition);
  const byAdded = await added.on(evidence.all);
  expect([...before, ...files.early].filter((name) => byAdded.has(name))).toEqual([]);
  const since = evidence.of(["message", "commit", "direct"], (epoch) => epoch > ends.addition);
  const given = ["welcome for eve", `tree of epoch ${ends.addition + 1}`, ...files.late];
  expect([...since, ...given].filter((name) => !byAdded.has(name))).toEqual([]);
  process.stderr.write(
    `seed ${seed}: ${removed.states} states of epochs ${removed.epochs.join()} opened ${until.size} of ${until.size} of before the removal, 0 of ${after.size} of after it; ` +
      `${added.states} of ${added.epochs.join()} opened ${since.size} of ${since.size} of after the addition, 0 of ${before.size} of before it; ` +
      `${evidence.onDisk} of all were on the relay's disk, ${world.proxy.recorded.length} frames were seen\n`,
  );
}

test(
  `of ${MESSAGES} messages and all beside them nobody opens what is not theirs who was removed, or added (seed ${seed})`,
  { tags: ["long"], timeout: 3_600_000 },
  nothingOpens,
);
