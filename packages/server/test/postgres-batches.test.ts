// What a relay writes to PostgreSQL goes in batches: how large they are, and who waits for them.
import { expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { checkTables } from "../src/store/postgres/check.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import type { SharedStore } from "../src/store/shared.ts";
import type { StoreLimits } from "../src/store/store.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";

const open = (url: string, limits: Partial<StoreLimits> = {}): Promise<StoreWorld> =>
  StoreWorld.open(async (options) => await openPostgresStore({ ...options, url }), limits);
const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text.padEnd(32));
const stays = async (url: string): Promise<void> => expect(await checkTables(url, "aimessage")).toEqual([]);

const TEAM = "t".repeat(64);

/** Of sixty. @returns who has founded it */
async function foundTeam(world: StoreWorld) {
  const [founder, ...others] = await Promise.all(many(60, (at) => world.agent(`agent${at}`)));
  accepted(await world.found(founder!, others, TEAM));
  return founder!;
}

/** How many transactions the relay has committed that began last. */
async function batchesOfNewest(url: string): Promise<number> {
  await using link = new Link(parseAddress(url), { settings: { search_path: "aimessage" } });
  const [row] = await (await link.use())<{ batch: number }>("SELECT batch FROM relays ORDER BY relay DESC LIMIT 1", []);
  return row?.batch ?? 0;
}

test.runIf(hasPostgres)(
  "no batch has more than some thousands of what is for all members of teams, also where nothing was said to them yet",
  async () => {
    const url = await database();
    await using world = await open(url);
    const founder = await foundTeam(world);
    await using other = await open(url);
    const say = (at: number) => other.say(founder, TEAM, 2, `m${at}`);
    const before = await batchesOfNewest(url);
    for (const sent of await Promise.all(many(200, say))) accepted(sent);
    // As many as if it had as many members as any may have.
    expect((await batchesOfNewest(url)) - before).toBeGreaterThanOrEqual(40);
    const learned = await batchesOfNewest(url);
    for (const sent of await Promise.all(many(200, (at) => say(200 + at)))) accepted(sent);
    expect((await batchesOfNewest(url)) - learned).toBeLessThan(20);
    await stays(url);
  },
);

test.runIf(hasPostgres)(
  "however much a few say to their teams, another's message waits for no more than their turns, and no socket has to",
  async () => {
    const url = await database();
    await using world = await open(url);
    const founder = await foundTeam(world);
    await using other = await open(url);
    const [tick, tack] = [await other.token("tick"), await other.token("tack")];
    // As long as nothing was said to it here it may have very many members.
    let left = 300;
    const burst = many(left, (at) => other.say(founder, TEAM, 2, `m${at}`).finally(() => (left -= 1)));
    const behind = other.send(tick, "tack", { messageId: "behind" });
    expect((other.store as SharedStore).isBehind).toBe(false);
    accepted(await behind);
    expect(left).toBeGreaterThan(200);
    for (const sent of await Promise.all(burst)) accepted(sent);
    await expect(other.ids(tack.mailbox)).resolves.toEqual(["behind"]);
  },
);

test.runIf(hasPostgres)(
  "many claims of one stock ask for its packages a few times, and not one after another",
  async () => {
    const url = await database();
    await using world = await open(url, { claimsPerHour: 1_000 });
    const [anna, ...others] = await Promise.all(many(70, (at) => world.agent(`agent${at}`)));
    await world.store.publishKeys(
      anna!.mailbox,
      many(90, (at) => bytes(`package ${at}`)),
      undefined,
      false,
    );
    await using other = await open(url, { claimsPerHour: 1_000 });
    const before = await batchesOfNewest(url);
    const claims = others.map(({ mailbox }) => other.store.claimKeys(mailbox, "agent0", true));
    const given = (await Promise.all(claims)).map((claim) => Buffer.from(accepted(claim).keyPackage).toString());
    expect(new Set(given).size).toBe(69);
    // One that asks too often is given up, and each claim is done alone.
    expect((await batchesOfNewest(url)) - before).toBeLessThan(10);
    await stays(url);
  },
);
