/** Lies of a relay to a group: each is told to an owner, and nothing is lost unsaid. Rows of SECURITY.md, "A relay that lies to groups". */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import type { Sent as SentMessage } from "../../src/agent/sent.ts";
import { edit, type Frame } from "./proxy.ts";
import { listening } from "./team-world.ts";
import { caughtUp, eventually, follow, rejection, World } from "./world.ts";

const NAMES = ["alice", "bob", "carol"] as const;
type Name = (typeof NAMES)[number];

/** What a lie may do with what is pushed to Carol, or answered: undefined lets it pass. */
type Tell = (frame: Frame) => Frame[] | undefined;

interface Lie {
  row: string;
  lie: string;
  /** Alerts of which kind, and at whom. */
  seen: Partial<Record<Name, string>>;
  /** To whom it is told; by default to Carol, who gets three messages of others meanwhile. */
  to?: Name;
  tell: () => Tell;
  /** What happens while it is told, by default {@link talk}. */
  during?: (group: string) => Promise<SentMessage[]>;
}

let world: World;
const agents = {} as Record<Name, Agent>;
const got = {} as Record<Name, IncomingMessage[]>;

beforeAll(async () => {
  world = await World.create({ noLimits: true });
  for (const name of NAMES) {
    agents[name] = await world.open(name);
    got[name] = follow(agents[name]);
    await agents[name].sync();
  }
});
afterAll(() => world[Symbol.asyncDispose]());

const isMessage = ({ data }: Frame) => data?.kind === "application";
/** The first frame of a kind becomes others, or is lost. */
const first =
  (kind: string, change: (frame: Frame) => Frame[], from?: Name): (() => Tell) =>
  () => {
    let done = false;
    return (frame) => {
      if (done || frame.data?.kind !== kind || (from !== undefined && frame.data.from !== from)) return undefined;
      done = true;
      return change(frame);
    };
  };
/** Around the first frame of a kind something else is said. */
const around = (kind: string, change: Frame["data"]) => first(kind, (frame) => [edit(frame, change)]);

/** Three messages of two members, one after another. */
async function talk(group: string): Promise<SentMessage[]> {
  const sent: SentMessage[] = [];
  for (const [at, name] of (["alice", "bob", "alice"] as const).entries()) {
    sent.push(await agents[name].send(`@${group}`, `${name} ${at} in ${group}`));
    await sent.at(-1)?.stored();
  }
  return sent;
}

/** Someone is added, or the group is called something else, and then they talk. */
async function rename(group: string): Promise<SentMessage[]> {
  await agents.alice.groups.rename(group, `${group}-2`);
  await knows("bob", `${group}-2`);
  return talk(`${group}-2`);
}

/** All of it is handled by all, whatever the relay has said of it before, and nobody is shown anything twice. */
async function arriveOnce(group: string, sent: SentMessage[]): Promise<void> {
  for (const one of sent)
    await eventually(`${one.id} is handled`, async () => (await one.status()).state === "handled", 8_000);
  for (const name of NAMES) {
    await caughtUp(agents[name]);
    const bodies = got[name].map(({ body }) => body).filter((body) => body.includes(` in ${group}`));
    expect(bodies.toSorted()).toEqual([...new Set(bodies)].toSorted());
  }
}

async function found(group: string): Promise<void> {
  await agents.alice.groups.create(group, ["bob", "carol"]);
  for (const name of ["bob", "carol"] as const) await knows(name, group);
}

async function knows(name: Name, group: string): Promise<void> {
  await eventually(`${name} is in ${group}`, async () =>
    (await agents[name].groups.list()).some((one) => one.name === group),
  );
}

async function told(name: Name, kind: string, before: number): Promise<void> {
  await eventually(`${name} is told`, async () => (await count(name, kind)) > before);
}

async function count(name: Name, kind: string): Promise<number> {
  return (await agents[name].alerts())
    .filter((alert) => alert.kind === kind)
    .reduce((sum, alert) => sum + alert.count, 0);
}

const lies: Lie[] = [
  {
    row: "G-1",
    lie: "keeps a message back",
    seen: { carol: "withheld" },
    tell: first("application", () => []),
  },
  {
    row: "G-1",
    lie: "keeps all messages back, while what members say to each other passes",
    seen: { carol: "withheld" },
    tell: () => (frame) => (isMessage(frame) ? [] : undefined),
    during: async (group) => [...(await talk(group)), await agents.carol.send(`@${group}`, `carol in ${group}`)],
  },
  {
    row: "G-1",
    lie: "keeps back all that a member says before the next commit",
    seen: { carol: "withheld" },
    tell: () => {
      let isOver = false;
      return (frame) => {
        isOver ||= frame.data?.kind === "commit";
        return isMessage(frame) && frame.data.from === "bob" && !isOver ? [] : undefined;
      };
    },
    during: async (group) => [...(await talk(group)), ...(await rename(group))],
  },
  {
    row: "G-2",
    lie: "shows two messages in another order",
    seen: { carol: "relay_equivocates" },
    tell: () => {
      const held: Frame[] = [];
      return (frame) => {
        if (!isMessage(frame) || held.length === 2) return undefined;
        held.push(frame);
        const [one, two] = held;
        if (one === undefined || two === undefined) return [];
        return [
          edit(two, { seq: one.data.seq!, pos: one.data["pos"] }),
          edit(one, { seq: two.data.seq!, pos: two.data["pos"] }),
        ];
      };
    },
  },
  {
    row: "G-2",
    lie: "gives two messages one place",
    seen: { carol: "relay_equivocates" },
    tell: () => {
      let pos: unknown;
      return (frame) => {
        if (!isMessage(frame)) return undefined;
        pos ??= frame.data["pos"];
        return [edit(frame, { pos })];
      };
    },
  },
  {
    row: "G-2",
    lie: "gives a message no place",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { pos: undefined }),
  },
  {
    row: "G-2",
    lie: "repeats a message",
    seen: {},
    tell: first("application", (frame) => [frame, edit(frame, { seq: frame.data.seq! + 1 })]),
  },
  {
    row: "G-3",
    lie: "says that a message has expired, and what it was not",
    seen: { carol: "relay_equivocates" },
    tell: first("application", (frame) => [
      edit(frame, { kind: "stub", message: "", sha256: "AAAA".repeat(11).slice(0, 43) + "=" }),
    ]),
  },
  {
    row: "G-3",
    lie: "says that a message has expired which has not",
    seen: {},
    tell: first("application", (frame) => {
      const sha256 = digest(frame.data.message ?? "");
      return [edit(frame, { kind: "stub", message: "", sha256 })];
    }),
  },
  {
    row: "G-4",
    lie: "names another sender",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { from: "bob" }),
  },
  {
    row: "G-4",
    lie: "names another device",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { device: "other" }),
  },
  {
    row: "G-4",
    lie: "names the epoch before",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { epoch: 1 }),
  },
  {
    row: "G-4",
    lie: "names the epoch to come",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { epoch: 3 }),
  },
  {
    row: "G-4",
    lie: "gives a message another id",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { message_id: "other" }),
  },
  {
    row: "G-4",
    lie: "gives a message an expiry",
    seen: { carol: "relay_mismatch" },
    tell: around("application", { expires_at: 4e12 }),
  },
  {
    row: "G-5",
    lie: "keeps a commit back",
    seen: { carol: "withheld" },
    tell: first("commit", () => []),
    during: rename,
  },
  {
    row: "G-5",
    lie: "damages a commit",
    seen: { carol: "bad_commit" },
    tell: around("commit", { body: "AAEAAg==" }),
    during: rename,
  },
  {
    row: "G-5",
    lie: "gives a commit as a message",
    seen: { carol: "withheld" },
    tell: first("commit", (frame) => [
      edit(frame, { kind: "application", message: String(frame.data["body"]), pos: 1 }),
    ]),
    during: rename,
  },
  {
    row: "G-5",
    lie: "gives a message as a commit",
    seen: { carol: "bad_commit" },
    tell: first("application", (frame) => [edit(frame, { kind: "commit", body: frame.data.message })]),
  },
  {
    row: "G-6",
    lie: "names another committer",
    seen: { carol: "relay_mismatch" },
    tell: around("commit", { from: "bob" }),
    during: rename,
  },
  {
    row: "G-6",
    lie: "gives a commit another id",
    seen: { carol: "relay_mismatch" },
    tell: around("commit", { message_id: "other" }),
    during: rename,
  },
  {
    row: "G-6",
    lie: "says that a commit adds somebody",
    seen: { carol: "relay_mismatch" },
    tell: around("commit", { add: [{ username: "mallory", device: "d" }] }),
    during: rename,
  },
  {
    row: "G-6",
    lie: "says that a commit removes somebody",
    seen: { carol: "relay_mismatch" },
    tell: around("commit", { remove: [{ username: "bob", device: "d" }] }),
    during: rename,
  },
  {
    row: "G-7",
    lie: "brings a second commit for an epoch",
    seen: { carol: "relay_fork" },
    tell: first("commit", (frame) => [frame, edit(frame, { seq: frame.data.seq! + 1, message_id: "second" })]),
    during: rename,
  },
  {
    row: "G-7",
    lie: "repeats a commit",
    seen: {},
    tell: first("commit", (frame) => [frame, edit(frame, { seq: frame.data.seq! + 1 })]),
    during: rename,
  },
  {
    row: "G-8",
    lie: "says that mail was lost which was not",
    seen: { carol: "lapsed" },
    tell: first("application", (frame) => [
      {
        ...frame,
        data: {
          from: "",
          kind: "notice",
          message: "",
          group_id: frame.data.group_id!,
          message_id: "x",
          status: "dropped",
          reason: "lapsed",
          seq: frame.data.seq! - 1,
          timestamp: 1,
        },
      },
      frame,
    ]),
  },
  {
    row: "G-9",
    lie: "acknowledges a message, and delivers it to nobody",
    seen: { alice: "relay_equivocates" },
    to: "alice",
    tell: () => () => undefined,
    during: async (group) => {
      let kept = 0;
      const before = world.proxy.rule;
      world.proxy.rule = (passage) => {
        const { agent, toRelay, frame } = passage;
        if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data["direct"] === true || kept > 0)
          return before?.(passage);
        kept += 1;
        const data = { status: "delivered", message_id: frame.data.message_id!, pos: 1, offline: 0 };
        world.proxy.answer("alice", frame.id ?? "", { type: "ack", data });
        return [];
      };
      return talk(group);
    },
  },
  {
    row: "G-9",
    lie: "gives a sender another place than it gives all others",
    seen: { alice: "withheld" },
    to: "alice",
    tell: () => {
      let done = false;
      return (frame) => {
        if (done || frame.type !== "ack" || frame.data["pos"] === undefined) return undefined;
        done = true;
        return [edit(frame, { pos: Number(frame.data["pos"]) + 7 })];
      };
    },
  },
  {
    row: "G-9",
    lie: "gives a sender no place",
    seen: { alice: "relay_mismatch" },
    to: "alice",
    tell: () => (frame) =>
      frame.type === "ack" && frame.data["pos"] !== undefined ? [edit(frame, { pos: undefined })] : undefined,
  },
  {
    row: "G-9",
    lie: "says that members have lapsed who have not",
    seen: {},
    to: "alice",
    tell: () => (frame) =>
      frame.type === "ack" && frame.data["pos"] !== undefined
        ? [edit(frame, { lapsed: ["bob", "carol"], offline: 2 })]
        : undefined,
    during: async (group) => [await agents.alice.send(`@${group}`, `alice in ${group}`)],
  },
  {
    row: "G-10",
    lie: "brings what a member says to one other once more, and to another one",
    seen: {},
    tell: () => (frame) => {
      if (frame.data?.kind !== "direct") return undefined;
      world.proxy.push("bob", frame);
      return [frame, edit(frame, { seq: frame.data.seq! + 1 })];
    },
    during: async (group) => [await agents.carol.send(`@${group}`, `carol in ${group}`)],
  },
];

function digest(message: string): string {
  return createHash("sha256").update(Buffer.from(message, "base64")).digest("base64");
}

async function tellLie({ seen, to = "carol", tell, during = talk, lie }: Lie): Promise<void> {
  const group = `g${lies.findIndex((one) => one.lie === lie)}`;
  await found(group);
  const before = Object.fromEntries(
    await Promise.all(Object.entries(seen).map(async ([name, kind]) => [name, await count(name as Name, kind)])),
  ) as Record<Name, number>;
  const lying = tell();
  world.proxy.rule = ({ agent, toRelay, frame }) => (agent === to && !toRelay ? lying(frame) : undefined);
  const sent = await during(group);
  for (const [name, kind] of Object.entries(seen) as [Name, string][]) await told(name, kind, before[name]);
  world.proxy.rule = undefined;
  const after = sent.at(-1)?.to ?? `@${group}`;
  for (const name of NAMES) {
    await knows(name, after.slice(1));
    sent.push(await agents[name].send(after, `${name} afterwards in ${group}`));
  }
  await arriveOnce(group, sent);
}

/** These stand for the others, which take long together. */
const OFTEN = new Set([
  "keeps a message back",
  "keeps back all that a member says before the next commit",
  "shows two messages in another order",
  "says that a message has expired, and what it was not",
  "names another sender",
  "keeps a commit back",
  "says that a commit adds somebody",
  "brings a second commit for an epoch",
  "acknowledges a message, and delivers it to nobody",
]);
const isOften = ({ lie }: Lie) => OFTEN.has(lie);

describe("a relay that", () => {
  test.each(lies.filter(isOften))("[$row] $lie", tellLie);
  test.each(lies.filter((lie) => !isOften(lie)))("[$row] $lie", { tags: ["long"] }, tellLie);

  test("[G-7] splits a group is found out by what two of its members say to each other, and all are together again", async () => {
    await found("split");
    await agents.alice.groups.promote("split", ["bob"]);
    await eventually("bob knows", async () => (await agents.bob.groups.find("split")).admins.includes("bob"));
    const before = await count("alice", "relay_fork");
    let admitted = false;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      // Bob is told that his commit was admitted, and is not shown the other one.
      if (agent !== "bob") return undefined;
      if (!toRelay && frame.data?.["body"] !== undefined) return [];
      if (!toRelay || frame.data?.["body"] === undefined) return undefined;
      world.proxy.answer("bob", frame.id ?? "", {
        type: "ack",
        data: { status: "committed", commit_id: frame.data.commit_id!, high_water: 0, delivered: true },
      });
      admitted = true;
      return [];
    };
    await agents.bob.groups.rename("split", "split-off");
    await agents.alice.groups.rename("split", "split-2");
    expect(admitted).toBe(true);
    const lost = await agents.bob.send("@split-off", "is anybody in split");
    for (const [one, other] of [
      ["alice", "bob"],
      ["bob", "alice"],
    ] as const)
      await (await agents[one].send(other, "between us")).handled();
    await told("alice", "relay_fork", before);
    world.proxy.rule = undefined;
    await agents.alice.groups.rename("split-2", "split-3");
    await knows("bob", "split-3");
    await arriveOnce("split", [lost, await agents.bob.send("@split-3", "back in split")]);
  });

  test.each([
    ["delivers it to nobody", "lost"],
    ["gives a later word first", "late"],
  ])("[G-10] acknowledges what a member says of messages, and %s, has it say all of it once more", async (_, group) => {
    await found(group);
    const before = await count("alice", "withheld");
    const kept: Frame[] = [];
    let isKept = true;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      const isWord = agent === "alice" && !toRelay && frame.data?.kind === "direct" && frame.data.from === "bob";
      if (!isWord || !isKept) return undefined;
      kept.push(frame);
      return [];
    };
    const one = await agents.alice.send(`@${group}`, `alice in ${group}`);
    await one.handled({ atLeast: 1 });
    await eventually("bob has said so", () => kept.length > 0);
    await caughtUp(agents.bob);
    isKept = false;
    const other = await agents.alice.send(`@${group}`, `alice again in ${group}`);
    await other.handled();
    if (group === "late") for (const frame of kept) world.proxy.push("alice", frame);
    else await told("alice", "withheld", before);
    world.proxy.rule = undefined;
    await arriveOnce(group, [one, other, await agents.bob.send(`@${group}`, `bob in ${group}`)]);
  });

  test("[G-11] shows another one's key package founds no group", async () => {
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || toRelay || frame.type !== "key_list") return undefined;
      const [bob, carol] = frame.data["keys"] as [object, object];
      return [edit(frame, { keys: [bob, { ...carol, ...bob, username: "carol" }] })];
    };
    expect(await rejection(agents.alice.groups.create("swapped", ["bob", "carol"]))).toMatchObject({
      reason: "bad_key_package",
    });
    world.proxy.rule = undefined;
    expect((await agents.alice.groups.list()).some(({ name }) => name === "swapped")).toBe(false);
  });

  test.each([
    ["keeps the tree beside a Welcome", { tree: undefined }],
    ["damages the tree beside a Welcome", { tree: "AAAA" }],
    ["names another inviter", { from: "bob" }],
  ])("[G-11] %s is told to whoever was invited, who is in the group when it is added anew", async (what, change) => {
    const group = `w${what.length}`;
    await agents.alice.groups.create(group, ["bob"]);
    const before = await count("carol", "bad_welcome");
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "carol" && !toRelay && frame.data?.kind === "welcome" ? [edit(frame, change)] : undefined;
    await agents.alice.groups.add(group, ["carol"]);
    await told("carol", "bad_welcome", before);
    world.proxy.rule = undefined;
    await agents.alice.groups.remove(group, ["carol"]);
    await agents.alice.groups.add(group, ["carol"]);
    await knows("carol", group);
    await arriveOnce(group, [await agents.carol.send(`@${group}`, `carol in ${group}`)]);
  });

  test("[G-11] brings Welcomes once more, or to somebody else, brings nobody anywhere", async () => {
    await found("again");
    const welcome = world.proxy.pushedTo("carol", "welcome").at(-1)!;
    const before = [await count("carol", "welcome_replayed"), await count("bob", "welcome_without_key")] as const;
    world.proxy.push("carol", welcome);
    world.proxy.push("bob", edit(welcome, { group_id: "ab".repeat(32) }));
    await told("carol", "welcome_replayed", before[0]);
    await told("bob", "welcome_without_key", before[1]);
    await arriveOnce("again", [await agents.carol.send("@again", "carol in again")]);
  });

  test("[G-12] hands out what a member has signed for another group, or before, changes nothing", async () => {
    await found("left");
    await found("stays");
    await agents.carol.groups.leave("left");
    const { statement } = world.proxy.sentBy("carol", "leave").at(-1)!.data;
    const { group_id: group } = world.proxy
      .sentBy("alice", "commit")
      .findLast(({ data }) => data["members"] !== undefined)!.data;
    for (const kind of ["leave", "rejoin"])
      world.proxy.push("bob", { type: "statement", data: { group_id: group!, kind, username: "carol", statement } });
    await caughtUp(agents.bob);
    expect((await agents.bob.groups.find("stays")).members).toEqual(["alice", "bob", "carol"]);
    await arriveOnce("stays", [await agents.carol.send("@stays", "carol in stays")]);
  });

  // Behind it the clock by which all of them wait is set back: it is the last.
  test(
    "[G-5] calls the epoch of a group stale, and brings no other one, is told to the owner, who is taken in again",
    { tags: ["long"] },
    async () => {
      await found("stale");
      const before = await count("alice", "stale_epoch");
      let lies = 0;
      world.proxy.rule = ({ agent, toRelay, frame }) => {
        if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data["direct"] === true) return undefined;
        lies += 1;
        const data = {
          code: 409,
          message: "Epoch is too old",
          reason: "stale_epoch",
          message_id: frame.data.message_id!,
        };
        world.proxy.answer("alice", frame.id ?? "", { type: "error", data });
        return [];
      };
      const sent = await agents.alice.send("@stale", "is this in stale");
      await eventually("it was refused", () => lies > 0);
      await caughtUp(agents.alice);
      world.proxy.rule = undefined;
      await listening([{ agent: agents.alice, got: got.alice }], 320_000);
      await (await agents.bob.send("alice", "time goes by")).handled();
      await told("alice", "stale_epoch", before);
      await arriveOnce("stale", [sent]);
    },
  );
});
