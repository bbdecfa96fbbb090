// What relays that share a PostgreSQL tell each other.
import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import type { Bus, Ears, Unasked } from "../src/store/bus.ts";
import { Channel } from "../src/store/postgres/lane/channel.ts";
import { channelPrefix, decodeMessage, encodeMessage, type Message } from "../src/store/postgres/lane/messages.ts";
import { openBus } from "../src/store/postgres/lane/postgres-bus.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { BadNetwork, engineOfFile } from "./postgres-for-tests.ts";
import { newLedger } from "./postgres-ledger.ts";

const engine = engineOfFile();

interface Listening {
  channel: Channel;
  relay: number;
  heard: Message[];
  reopened: number;
}

async function open(schema: string, address = engine.postgres.address): Promise<{ channel: Channel; relay: number }> {
  const channel = new Channel({ address, schema, patienceMs: 1000 });
  onTestFinished(() => channel.end());
  const [row] = await engine.admin<{ relay: number }>(`INSERT INTO ${schema}.relays DEFAULT VALUES RETURNING relay`);
  return { channel, relay: row?.relay ?? 0 };
}

async function listen(schema: string, address = engine.postgres.address): Promise<Listening> {
  const { channel, relay } = await open(schema, address);
  const listening: Listening = { channel, relay, heard: [], reopened: 0 };
  channel.hear({
    message: (message) => listening.heard.push(message),
    reopened: () => (listening.reopened += 1),
  });
  await channel.listen(relay);
  return listening;
}

const freed = (mailbox: number): Message => ({ type: "freed", mailbox });

describe.skipIf(!hasPostgres)("a channel", () => {
  test("takes a message to one relay, or to all others, in order", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two, three] = [await listen(schema), await listen(schema), await listen(schema)];
    one.channel.tell(two.relay, freed(1));
    expect(await one.channel.tellAll(freed(2))).toBe(2);
    one.channel.tell(two.relay, freed(3));
    await eventually("it is there", () => two.heard.length === 3 && three.heard.length === 1);
    expect(two.heard).toEqual([1, 2, 3].map(freed));
    expect(three.heard).toEqual([freed(2)]);
    expect(one.heard).toEqual([]);
  });

  test("is one of its schema alone, and knows no relay that is declared dead", async () => {
    const [one, other] = [await listen(await newLedger(engine.admin)), await listen(await newLedger(engine.admin))];
    one.channel.tell(other.relay + 1, freed(1));
    expect(await one.channel.tellAll(freed(2))).toBe(0);
    expect(other.heard).toEqual([]);
  });

  test("takes thousands of mailboxes, a few hundred at once", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two] = [await listen(schema), await listen(schema)];
    const mailboxes = Array.from({ length: 2500 }, (_, i) => 2 ** 53 - 1 - i);
    one.channel.tell(two.relay, { type: "wake", mailboxes });
    const woken = (): number[] => two.heard.flatMap((message) => (message.type === "wake" ? message.mailboxes : []));
    await eventually("all are woken", () => woken().length === 2500);
    expect(woken()).toEqual(mailboxes);
    expect(two.heard).toHaveLength(7);
  });

  test("takes what is too long for a notification, and leaves nothing of it behind", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two, three] = [await listen(schema), await listen(schema), await listen(schema)];
    const message: Message = { type: "evict", mailbox: 1, username: "ü".repeat(100_000), why: "removed" };
    one.channel.tell(two.relay, message);
    expect(await one.channel.tellAll(message)).toBe(2);
    await eventually("it is there", () => two.heard.length === 2 && three.heard.length === 1);
    expect(three.heard).toEqual([message]);
    expect(await engine.admin(`SELECT 1 FROM ${schema}.parcels`)).toHaveLength(0);
  });

  test("takes what it was given just before its end", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two] = [await listen(schema), await listen(schema)];
    one.channel.tell(two.relay, freed(1));
    await one.channel.end();
    await eventually("it is there", () => two.heard.length > 0);
    expect(two.heard).toEqual([freed(1)]);
  });

  test("ignores what is garbled, or of a later version", async () => {
    const schema = await newLedger(engine.admin);
    const two = await listen(schema);
    const texts = [
      "",
      "{",
      "null",
      '{"type":"later"}',
      '{"type":"wake","mailboxes":[-1]}',
      '{"type":"parcel","id":77}',
    ];
    for (const text of texts) await engine.admin("SELECT pg_notify($1, $2)", [`relay_${schema}_${two.relay}`, text]);
    await engine.admin("SELECT pg_notify($1, $2)", [
      `relay_${schema}_${two.relay}`,
      JSON.stringify({ ...freed(1), more: 1 }),
    ]);
    await eventually("the last is there", () => two.heard.length > 0);
    expect(two.heard).toEqual([freed(1)]);
  });

  test("says that anything may have been missed when its connection was made again, and hears again", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two] = [await listen(schema), await listen(schema)];
    expect(two.reopened).toBe(0);
    const kill =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()";
    await engine.admin(kill, [`LISTEN%_${schema}_${two.relay}`]);
    // As a heartbeat does.
    await eventually("it is made again", () =>
      two.channel.link.use().then(
        () => two.reopened === 1,
        () => false,
      ),
    );
    one.channel.tell(two.relay, freed(1));
    await eventually("it hears", () => two.heard.length > 0);
  });

  test("has all others look at everything when it could not tell them something", async () => {
    const schema = await newLedger(engine.admin);
    await using network = new BadNetwork(engine.postgres.port);
    const [one, two] = [await listen(schema, await network.listen()), await listen(schema)];
    network.isDown = true;
    network.cut();
    expect(await one.channel.tellAll(freed(1))).toBe(0);
    network.isDown = false;
    await one.channel.link.use();
    await eventually("it looks at everything", () => two.heard.length > 0);
    expect(two.heard).toEqual([{ type: "all" }]);
  });

  test("survives that its connection ends while long and short messages are on their way", async () => {
    const schema = await newLedger(engine.admin);
    await using network = new BadNetwork(engine.postgres.port);
    const [one, two] = [await listen(schema, await network.listen()), await listen(schema)];
    const long: Message = { type: "evict", mailbox: 1, username: "u".repeat(100_000), why: "removed" };
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    onTestFinished(() => void process.off("unhandledRejection", note));
    for (let round = 0; round < 5; round++) {
      await one.channel.link.use();
      const told = [one.channel.tellAll(freed(1)), one.channel.tellAll(long)];
      // So far that it has been sent, and not answered.
      for (let turn = 0; turn < 1 + round; turn++) await setImmediate();
      network.cut();
      await Promise.all(told);
    }
    await one.channel.link.use();
    await eventually("it looks at everything", () => two.heard.some(({ type }) => type === "all"));
    expect(unhandled).toEqual([]);
  });

  test("carries a bus: what one says all others hear, and whoever takes a frame says so", async () => {
    const schema = await newLedger(engine.admin);
    const join = async (taken: boolean) => {
      const { channel, relay } = await open(schema);
      const heard: unknown[] = [];
      const bus: Bus = openBus({ channel, relay });
      const ears: Ears = {
        evict: (...of) => heard.push(["evict", ...of]),
        superseded: (...of) => heard.push(["superseded", ...of]),
        freed: (mailbox) => heard.push(["freed", mailbox]),
        signed: () => heard.push("signed"),
        missed: () => heard.push("missed"),
        wake: (mailboxes) => heard.push(["wake", mailboxes]),
        hand: (...of) => (heard.push(["hand", ...of]), taken),
      };
      bus.hear(ears);
      await channel.listen(relay);
      return { bus, heard, channel };
    };
    const alone = await join(false);
    const frame: Unasked = { type: "keys_low", data: { remaining: 3 } };
    expect(await alone.bus.hand(7, frame)).toBe(false);
    const two = await join(false);
    expect(await alone.bus.hand(7, frame)).toBe(false);
    const three = await join(true);
    expect(await alone.bus.hand(8, frame)).toBe(true);
    two.heard.length = 0;
    three.heard.length = 0;
    alone.bus.evict({ mailbox: 1, username: "ada" }, "disabled");
    // Of these the store tells those whom they concern.
    void alone.channel.tellAll({ type: "superseded", mailbox: 2, claim: 9 });
    void alone.channel.tellAll({ type: "wake", mailboxes: [3, 4] });
    alone.bus.freed(5);
    alone.bus.signed();
    void alone.channel.tellAll({ type: "all" });
    const all = [
      ["evict", { mailbox: 1, username: "ada" }, "disabled"],
      ["superseded", 2, 9],
      ["wake", [3, 4]],
      ["freed", 5],
      "signed",
      "missed",
    ];
    await eventually("they hear it", () => two.heard.length === 6 && three.heard.length === 6);
    expect([two.heard, three.heard]).toEqual([all, all]);
    expect(alone.heard).toEqual([]);
  });
});

test("what is said is what is heard", () => {
  const messages: Message[] = [
    { type: "superseded", mailbox: 1, claim: 2 },
    { type: "hand", id: "a", relay: 1, mailbox: 2, frame: { type: "keys_low", data: { remaining: 1 } } },
    { type: "handed", id: "a", taken: true },
    { type: "all" },
  ];
  for (const message of messages) expect(encodeMessage(message).map(decodeMessage)).toEqual([message]);
  expect(encodeMessage({ type: "wake", mailboxes: [] })).toEqual([]);
});

test("a schema whose name would need quotes is refused", () => {
  expect(channelPrefix("aimessage")).toBe("relay_aimessage_");
  for (const name of ["", "Upper", "a-b", "a;b", "x".repeat(40)]) expect(() => channelPrefix(name)).toThrow(TypeError);
});
