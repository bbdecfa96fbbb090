// Decisions are made upon what was read, anew when something turns out to be missing: so they look before they write.
import { hash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { defaultLimits } from "../src/config/limits.ts";
import { commit } from "../src/store/decisions/commit.ts";
import { registerDevice, registerToken } from "../src/store/decisions/register.ts";
import { send } from "../src/store/decisions/send.ts";
import { NEWCOMER } from "../src/store/decisions/team.ts";
import { type Group, type Member, Missing, type Work } from "../src/store/decisions/work.ts";
import { migrate } from "../src/store/sqlite/migrations.ts";
import type { CommitRequest, Refused, SendRequest } from "../src/store/store.ts";
import { openTables } from "../src/store/sqlite/tables.ts";

const NOW = 1_700_000_000_000;
const occasion = { now: NOW, isFull: false };

/** Everything that decisions write by; all else that they call are look-ups. */
const WRITES = new Set(
  ["accounts.addMailboxOfUnknown", "groups.open", "groups.advance", "groups.use"].concat([
    "groups.end",
    "groups.setPos",
    "groups.setMember",
    "statements.put",
    "statements.remove",
    "statements.renew",
    "requests.add",
    "requests.setLast",
    "keyPackages.used",
    "mail.add",
    "mail.addBody",
  ]),
);

/** Tables of a database with a token account, two agents that know each other, a stranger, and a group of the two. */
function someTables() {
  const db = new DatabaseSync(":memory:");
  onTestFinished(() => db.close());
  migrate(db);
  const announced: string[] = [];
  const tables = openTables(db, {
    limits: { ...defaultLimits(), mailboxMessages: 40 },
    clock: () => NOW,
    announce: ({ messageId }) => announced.push(messageId),
    isListening: (mailbox) => mailbox === boxes["bob"],
  });
  const boxes: Record<string, number> = {};
  for (const username of ["alice", "bob", "carol"]) {
    const bytes = new Uint8Array(32);
    const device = { id: `${username}-1`, key: bytes, certificate: bytes, counter: 1 };
    const parts = { username, identityKey: bytes, device, keyPackages: [], lastResort: bytes, address: "" };
    boxes[username] = accepted(registerDevice(tables, parts, { admission: "open", now: NOW })).account.mailbox;
  }
  boxes["tom"] = accepted(
    registerToken(tables, { username: "tom", derivedKey: new Uint8Array(32), address: "", admission: "open" }, NOW),
  ).mailbox;
  const change = { clear: undefined, block: [] };
  tables.peers.change("bob", undefined, { ...change, allow: ["alice"] });
  const members = ["alice", "bob"].map((name): [number, Member] => {
    const mailbox = boxes[name] ?? 0;
    return [mailbox, { ...NEWCOMER, mailbox, name, device: `${name}-1`, joined: 1 }];
  });
  const group: Group = { isTeam: false, epoch: 3, floor: 0, pos: 0, posBefore: 0, members: new Map(members), used: 1 };
  tables.groups.open("old", group, { mailbox: boxes["alice"] ?? 0, address: undefined });
  const rows = () =>
    ["entries", "groups", "members", "requests", "last_requests", "mailboxes", "bodies"].map((table) =>
      db.prepare(`SELECT * FROM ${table}`).all(),
    );
  return { tables, boxes, announced, rows };
}

function accepted<T extends object>(result: T | Refused): T {
  if ("refused" in result) throw new Error(`refused: ${result.refused}`);
  return result;
}

/** The same work, of which each thing is missing when it is looked for first. */
function unread(work: Work): { work: Work; read: Set<string>; written: string[] } {
  const read = new Set<string>();
  const written: string[] = [];
  const gate =
    (look: string, call: (...of: never[]) => unknown) =>
    (...of: never[]) => {
      if (WRITES.has(look)) written.push(look);
      else {
        const key = JSON.stringify(of);
        if (!read.has(look + key)) {
          read.add(look + key);
          throw new Missing(look, key);
        }
      }
      return call(...of);
    };
  const gated = Object.entries(work).map(([name, part]) => {
    if (typeof part === "function") return [name, gate(name, part as never)];
    if (name === "limits") return [name, part];
    const calls = Object.entries(part as object).map(([call, does]) => [call, gate(`${name}.${call}`, does as never)]);
    return [name, Object.fromEntries(calls)];
  });
  return { work: Object.fromEntries(gated) as Work, read, written };
}

/** Decides again and again, until nothing is missing. */
function decideAnew<T>(tables: Work, decide: (work: Work, blocked: Set<string>) => T): { result: T; missing: number } {
  const { work, written } = unread(tables);
  for (let missing = 0; ; missing++)
    try {
      return { result: decide(work, new Set()), missing };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      expect(written, `written before ${error.message}`).toEqual([]);
    }
}

const message = (of: Partial<SendRequest>): Omit<SendRequest, "sender"> => ({
  to: "bob",
  message: "a body",
  sessionId: undefined,
  groupId: "old",
  epoch: 3,
  messageId: "m1",
  expiresAt: undefined,
  ...of,
});

const opening = (id: string, messages: string[]): Omit<CommitRequest, "sender"> => ({
  commitId: `c-${id}`,
  groupId: id,
  epoch: 0,
  members: ["carol", "bob"].map((username) => ({ username, device: `${username}-1` })),
  commit: undefined,
  welcomes: [{ to: "bob", device: "bob-1", welcome: "welcome" }],
  messages: messages.map((messageId) => ({ to: "bob", message: "a body", messageId, expiresAt: undefined })),
});

const named = (username: string) => ({ username, device: `${username}-1` });

/** A commit of a team that Alice founds with Bob, or which adds or removes Carol. */
const ofTeam = (epoch: number, add: string[], remove: string[] = []): Omit<CommitRequest, "sender"> => ({
  ...opening("team", []),
  commitId: `t${epoch}`,
  epoch,
  members: epoch === 1 ? ["alice", ...add].map(named) : undefined,
  team: {
    add: epoch === 1 ? [] : add.map(named),
    remove: remove.map(named),
    body: epoch === 1 ? undefined : "body",
    tree: add.length > 0 ? "tree" : undefined,
  },
  welcomes: add.map((name) => ({ to: name, device: `${name}-1`, welcome: "welcome" })),
});

const toTeam = (of: Partial<SendRequest>): Partial<SendRequest> => ({ to: undefined, groupId: "team", ...of });

const requests: { name: string; from: string; send?: Partial<SendRequest>; commit?: Omit<CommitRequest, "sender"> }[] =
  [
    { name: "a message in a group", from: "alice", send: {} },
    { name: "its repeat", from: "alice", send: {} },
    { name: "its id with another body", from: "alice", send: { message: "another" } },
    { name: "a message of an epoch that is over", from: "alice", send: { epoch: 1, messageId: "m2" } },
    { name: "a message of somebody who is not in the group", from: "carol", send: {} },
    {
      name: "a message of a token account",
      from: "tom",
      send: { to: "tom", groupId: undefined, messageId: undefined },
    },
    { name: "a message for a name that nobody has", from: "tom", send: { to: "nobody", groupId: undefined } },
    { name: "another one", from: "tom", send: { to: "nobody", groupId: undefined, messageId: "m3" } },
    { name: "an opening by a stranger", from: "carol", commit: opening("new", ["o1", "o2"]) },
    { name: "the same again", from: "carol", commit: opening("new", ["o1", "o2"]) },
    { name: "another opening of the group", from: "carol", commit: { ...opening("new", []), commitId: "c2" } },
    {
      name: "a commit",
      from: "bob",
      commit: { ...opening("old", []), epoch: 3, members: undefined, welcomes: [], commit: "commit" },
    },
    { name: "the founding of a team", from: "alice", commit: ofTeam(1, ["bob"]) },
    { name: "its repeat", from: "alice", commit: ofTeam(1, ["bob"]) },
    { name: "a message to all", from: "alice", send: toTeam({ epoch: 2, messageId: "a1" }) },
    { name: "its repeat", from: "alice", send: toTeam({ epoch: 2, messageId: "a1" }) },
    { name: "a message that a newcomer has no room for", from: "alice", send: toTeam({ epoch: 2, messageId: "a2" }) },
    { name: "another one, for nobody", from: "alice", send: toTeam({ epoch: 2, messageId: "a3" }) },
    { name: "a direct frame", from: "bob", send: { to: "alice", direct: true, groupId: "team", epoch: 2 } },
    { name: "a commit that adds", from: "bob", commit: ofTeam(2, ["carol"]) },
    { name: "one that takes the other's place", from: "alice", commit: ofTeam(3, ["bob"], ["bob"]) },
    { name: "a message of the epoch before", from: "alice", send: toTeam({ epoch: 3, messageId: "a4" }) },
    { name: "a commit that removes", from: "bob", commit: ofTeam(4, [], ["carol"]) },
  ];

const decide =
  (of: (typeof requests)[number], boxes: Record<string, number>) =>
  (work: Work, blocked: Set<string>): object => {
    const sender = boxes[of.from] ?? 0;
    if (of.commit !== undefined) return commit(work, { sender, ...of.commit }, occasion);
    const request = { sender, ...message(of.send ?? {}) };
    return send(work, { request, id: request.messageId ?? "own", blocked }, occasion);
  };

test("a decision that finds something missing has written nothing, and is the same when it is made anew", () => {
  const [whole, piecemeal] = [someTables(), someTables()];
  let missing = 0;
  for (const request of requests) {
    const wanted = decide(request, whole.boxes)(whole.tables, new Set());
    const { result, missing: more } = decideAnew(piecemeal.tables, decide(request, piecemeal.boxes));
    expect(result, request.name).toEqual(wanted);
    expect(piecemeal.rows(), request.name).toEqual(whole.rows());
    missing += more;
  }
  expect(piecemeal.announced).toEqual(
    ["m1", "own", "m1", "m3", "c-new", "o1", "o2", "c-old"].concat(
      // To Bob and Carol as they are there.
      ["t1", "a1", "a2", "m1", "t2", "t2", "t3", "t3", "t4", "t4"],
    ),
  );
  expect(missing).toBeGreaterThan(140);
});

const digestOf = (...fields: unknown[]) => hash("sha256", JSON.stringify(fields), "buffer");

test("what was asked of a version before is known again: the digests of requests stay what they were", () => {
  const { tables, boxes } = someTables();
  const sender = boxes["alice"] ?? 0;
  const commitId = "c-old";
  // In the order of its fields, without those that are undefined.
  const asked = { sender, commitId, groupId: "old", epoch: 3, commit: "commit", welcomes: [], messages: [] };
  const of = { sender, mailbox: boxes["bob"] ?? 0, seq: 1, at: NOW };
  tables.requests.add({ ...of, kind: "commit", id: commitId, digest: digestOf(asked) });
  tables.requests.add({ ...of, kind: "message", id: "m1", digest: digestOf("bob", "a body", null, "old", 3, null) });
  const request: CommitRequest = { ...asked, members: undefined };
  expect(commit(tables, request, occasion)).toEqual({ highWater: 0, listening: true });
  const again: SendRequest = { ...message({}), sender };
  expect(send(tables, { request: again, id: "m1", blocked: new Set() }, occasion)).toMatchObject({ waiting: false });
});
