/** A relay's store with something of everything, and what can be seen of it from outside. */
import { createHash } from "node:crypto";
import type { KeyAccount, RelayStore, TokenAccount } from "../src/store/store.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";

/** Asked for at once: they share commits. */
const AT_ONCE = 250;
const TEAM = 20;

export interface Filled {
  names: string[];
  mailboxes: number[];
  blobs: string[];
  teams: string[];
  groups: string[];
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();
const groupId = (text: string): string => sha256(text).toString("hex");

async function each<T, R>(of: readonly T[], work: (one: T, at: number) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < of.length; at += AT_ONCE)
    done.push(...(await Promise.all(of.slice(at, at + AT_ONCE).map((one, i) => work(one, at + i)))));
  return done;
}

const count = (length: number): number[] => Array.from({ length }, (_, at) => at);

/**
 * @param size Accounts: four of five are agents
 * @param size.seed Of names and ids
 */
export async function fill(store: RelayStore, { size, seed }: { size: number; seed: number }): Promise<Filled> {
  const world = await StoreWorld.open(() => store);
  const name = (kind: string, at: number): string => `${kind}-${seed % 1000}-${at}`;
  const from = (at: number): void => void (world.address = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`);
  const agents = await each(count(Math.ceil(size * 0.8)), async (at): Promise<KeyAccount> => {
    from(at);
    return world.agent(name("Agent", at));
  });
  const tokens = await each(count(Math.floor(size * 0.2)), async (at): Promise<TokenAccount> => {
    from(at);
    return world.token(name("token", at));
  });
  const groups = await conversations(world, agents);
  const teams = await inTeams(world, agents);
  await between(world, tokens);
  const blobs = await files(world, agents);
  await rest(world, agents, tokens);
  // Nothing is left for a relay that starts.
  await world.sweep();
  const accounts = [...agents, ...tokens];
  return {
    names: accounts.map(({ username }) => username),
    mailboxes: [...accounts.map(({ mailbox }) => mailbox), ...count(10).map((at) => accounts.length + at)],
    blobs,
    teams,
    groups,
  };
}

/** Of two, with mail that waits; some of it was read. */
async function conversations(world: StoreWorld, agents: KeyAccount[]): Promise<string[]> {
  const pairs = agents.flatMap((one, at) => {
    const other = agents[at + 1];
    return at % 2 === 0 && other !== undefined ? [[one, other] as const] : [];
  });
  return each(pairs, async ([one, other], at) => {
    const group = groupId(`pair ${one.name}`);
    accepted(await world.open(one, other, group, [`first ${at}`]));
    await world.peers(one, { allow: [other.name], block: [`stranger-${at}`] });
    // NUL and half a character: neither is text for every engine.
    const text = { groupId: group, epoch: 1, message: `second ${at} \0 \ud800`, messageId: `second-${at}` };
    accepted(await world.send(one, other.username, text));
    if (at % 3 === 0) await world.store.received(other.mailbox, world.stored.at(-1)?.seq ?? 0);
    accepted(await world.send(other, one.username, { groupId: group, epoch: 1 }));
    accepted(await world.store.claimKeys(one.mailbox, other.username, false));
    return group;
  });
}

async function inTeams(world: StoreWorld, agents: KeyAccount[]): Promise<string[]> {
  const teams = count(Math.floor(agents.length / TEAM)).map((at) => agents.slice(at * TEAM, (at + 1) * TEAM));
  return each(teams, async ([founder, second, ...others]) => {
    if (founder === undefined || second === undefined) throw new Error("a team of nobody");
    const team = groupId(`team ${founder.name}`);
    accepted(await world.found(founder, [second, ...others], team));
    for (const id of ["hello", "all", "of you"])
      accepted(await world.say(founder, team, 2, `${id} ${team.slice(0, 8)}`));
    const statement = { sender: second.mailbox, groupId: team, kind: "leave" as const, statement: "c2lnbmVk" };
    const refused = await world.store.keepStatement(statement);
    if (refused !== undefined) throw new Error(refused.refused);
    return team;
  });
}

async function between(world: StoreWorld, tokens: TokenAccount[]): Promise<void> {
  await each(tokens, async (one, at) => {
    const other = tokens[(at + 1) % tokens.length];
    if (other === undefined) return;
    world.store.entered(one.mailbox);
    for (const messageId of ["a", "b"]) accepted(await world.send(one, other.username, { messageId }));
    if (at % 10 === 0) await world.send(one, `nobody-${at}`, { expiresAt: Date.now() + 3_600_000 });
  });
}

/** Some are whole, some are to come. */
async function files(world: StoreWorld, agents: KeyAccount[]): Promise<string[]> {
  const owners = agents.filter((_, at) => at % 4 === 0);
  return each(owners, async ({ mailbox, name }) => {
    const [readHash, tokenHash] = [sha256(`read ${name}`), sha256(`token ${name}`)];
    const file = { mailbox, requestId: "one", bytes: 1000, readers: 2, readHash, tokenHash, ttl: undefined };
    const { id } = accepted(await world.store.blobs.reserve(file));
    await world.store.blobs.advance(id, 0, 500);
    return id;
  });
}

async function rest(world: StoreWorld, agents: KeyAccount[], tokens: TokenAccount[]): Promise<void> {
  // Another device, an account that is disabled, and one that is gone.
  const [first, second, third] = agents.slice(-3).map(({ username }) => username);
  if (first !== undefined) await world.agent(first, 2);
  if (second !== undefined) await world.administer("disable", second);
  if (third !== undefined) await world.administer("remove", third);
  const last = tokens.at(-1);
  if (last !== undefined) await world.administer("remove", last.username, true);
  await world.administer("disable", "nobody");
  await world.invite("invite-1", { uses: 3, expiresAt: Date.now() + 3_600_000 });
  const refusal = { hour: Math.floor(Date.now() / 3_600_000) * 3_600_000, reason: "rate_limited", who: "192.0.2.1" };
  await world.store.countRefusals([{ ...refusal, count: 7 }]);
}

/** All that accounts and their devices can see of a store, in an order of its own. */
export async function whatIsIn(store: RelayStore, { names, mailboxes, blobs }: Filled): Promise<unknown> {
  const all = {
    logId: store.logId,
    accounts: await each(names, (name) => store.account(name)),
    blocked: await each(names, (name) => store.isBlocked(name.toLowerCase(), "stranger-0")),
    mailboxes: await each(mailboxes, async (mailbox) => {
      const { lastSeq: _, ...state } = await store.look(mailbox);
      const { entries } = await store.entries(mailbox, 0, { messages: 1000, bytes: 1e8 });
      const teams = (await store.teamsOf(mailbox)).toSorted((one, other) => (one.groupId < other.groupId ? -1 : 1));
      const bodies = entries.map(({ body }) => body?.text);
      return { state, teams, entries: entries.map(({ body: _body, ...entry }) => entry), bodies };
    }),
    blobs: await each(blobs, async (id) => {
      // Of what is not whole nothing came along.
      const { come: _, ...blob } = (await store.blobs.find(id)) ?? { come: 0 };
      return blob;
    }),
    depth: await store.depth(),
    audit: (await store.audit(1000)).filter(({ kind }) => kind === "deed"),
  };
  return JSON.parse(JSON.stringify(all, hexed)) as unknown;
}

/** Bytes as text, of whatever kind they are. A Buffer has become an object before this sees it. */
function hexed(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  const { type, data } = (value ?? {}) as { type?: string; data?: number[] };
  return type === "Buffer" && data !== undefined ? Buffer.from(data).toString("hex") : value;
}
