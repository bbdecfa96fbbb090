import { randomBytes, randomUUID } from "node:crypto";
import { forASecond } from "../../for-a-second.ts";
import type { NewBlob } from "../blob-rows.ts";
import { reserveBlob } from "../decisions/blob.ts";
import { commit } from "../decisions/commit.ts";
import { administer } from "../decisions/deeds.ts";
import { claimKeys, publishKeys } from "../decisions/keys.ts";
import { entered, login } from "../decisions/login.ts";
import { offerStatements } from "../decisions/offers.ts";
import { senderOf } from "../decisions/payer.ts";
import { setPeers } from "../decisions/peers.ts";
import { registerDevice, registerToken } from "../decisions/register.ts";
import { removeAccount } from "../decisions/remove.ts";
import { send } from "../decisions/send.ts";
import { keepStatement } from "../decisions/statement.ts";
import { sweep, SWEEP_START } from "../decisions/sweep.ts";
import type { Occasion } from "../decisions/work.ts";
import type {
  Admission,
  CommitRequest,
  Entry,
  KeyAccount,
  MailboxState,
  NewDevice,
  Refused,
  RelayStore,
  SendRequest,
} from "../store.ts";
import type { Batch, Memory } from "./batch.ts";
import type { Deleting } from "./deleting.ts";
import type { Hints } from "./hints.ts";
import { hintsOfCommit, hintsOfNames, hintsOfSend, type Item, itemOf } from "./items.ts";
import type { Lane } from "./lane/lane.ts";
import { listening } from "./listening.ts";
import type { Reads } from "./reads.ts";
import { wholeAccount } from "./tables/account-rows.ts";
import { countRefusals } from "./tables/registry.ts";

/** How long what need not be done at once may wait for company. Milliseconds. */
const LATER_MS = 5;

interface StoreParts {
  memory: Memory;
  lane: Lane<Item>;
  reads: Reads;
  clock: () => number;
  logId: () => string;
  /** The engine takes nothing of this relay any more. */
  isFenced: () => boolean;
  deleting: Deleting;
  /** Whether somebody else may be told: a relay, of a mailbox that was taken over. */
  superseded: (relay: number, mailbox: number, claim: number) => void;
  watch: (stored: (entries: Entry[]) => void) => void;
  end: () => Promise<void>;
}

/** Who has a disk of one's own says when it is full: this engine does so when it is asked to write. */
function occasion({ now }: Batch): Occasion {
  return { now, isFull: false };
}

/** The same decisions as upon SQLite, in the lane of this relay. */
export function postgresStore(parts: StoreParts): RelayStore {
  const { memory, lane, reads, clock, logId, deleting } = parts;
  let swept = SWEEP_START;
  let sweptBody = 0;

  const ask = <T>(decide: (batch: Batch) => T, more: Parameters<typeof itemOf<T>>[1] = {}): Promise<T> =>
    lane.do<T>(itemOf((batch) => decide(batch), more));
  /** How many may get what is for all of a team: of one that was not looked at here yet as many as any may have. */
  const membersOf = (team: string | undefined): number =>
    team === undefined ? 0 : (memory.teamSizes.get(team) ?? memory.limits.groupMembers);
  function weigh({ tables }: Batch, team: string | undefined): void {
    if (team !== undefined) memory.teamSizes.set(team, tables.groups.find(team)?.members.size ?? 0);
  }
  const rare = <T>(decide: (batch: Batch) => T, hints: Partial<Hints> = {}): Promise<T> =>
    ask(decide, { hints, isAlone: true });

  function received(mailbox: number, seq: number): Promise<number> {
    const done = ask((batch) => batch.mail.received(mailbox, seq), {
      hints: { mailboxes: [mailbox], received: [[mailbox, seq]] },
      committed: () => memory.heard.set(mailbox, clock()),
    });
    deleting.begin(mailbox, seq);
    done.finally(() => deleting.end(mailbox, seq)).catch(() => {});
    return done;
  }

  async function look(mailbox: number): Promise<MailboxState> {
    return { logId: logId(), ...(await reads.look(mailbox)) };
  }

  const { listen, unlisten, end } = listening({ ...parts, ask });

  const later: (() => Promise<void>)[] = [];
  /** What was put off and has begun. */
  const begun = new Set<Promise<void>>();
  function soon(start: () => Promise<void>): void {
    later.push(start);
    if (later.length === 1) setTimeout(catchUp, LATER_MS);
  }
  function catchUp(): void {
    for (const start of later.splice(0)) {
      const done = start().finally(() => begun.delete(done));
      begun.add(done);
    }
  }

  return {
    get logId() {
      return logId();
    },
    hindrance: () => undefined,
    watch: parts.watch,
    account: (username) => reads.account(username),
    device: (username, id) => reads.device(username, id),
    objection: (admission) => reads.objection(admission),
    registerToken: (username, derivedKey, address, admission: Admission = "open") =>
      rare(
        ({ tables, now }) => {
          const result = registerToken(tables, { username, derivedKey, address, admission }, now);
          return "refused" in result ? result : wholeAccount(result);
        },
        hintsOfNames([username]),
      ),
    registerDevice: (device: NewDevice, admission: Admission = "open") =>
      rare(
        ({ tables, now }) => withAccount(registerDevice(tables, device, { admission, now })),
        hintsOfNames([device.username]),
      ),
    entered: (mailbox) => {
      ask(({ tables, now }) => entered(tables, mailbox, now), { hints: { mailboxes: [mailbox] } }).catch(() => {});
    },
    login: (mailbox, counter) =>
      ask(({ tables, now }) => login(tables, { mailbox, counter }, now), { hints: { mailboxes: [mailbox] } }),
    removeAccount: (mailbox, release) =>
      rare(({ tables }) => removeAccount(tables, mailbox, release), { mailboxes: [mailbox] }),
    setPeers: (mailbox, change) => rare(({ tables }) => setPeers(tables, mailbox, change), { mailboxes: [mailbox] }),
    isBlocked: (owner, peer) => reads.isBlocked(owner, peer),

    send: (request: SendRequest, blocked) => {
      const id = request.messageId ?? randomUUID();
      const asked = blocked.ask({ goesOn: request.resume === true });
      // What is for nobody by name is for all of a team.
      const team = request.to === undefined ? request.groupId : undefined;
      return lane.do(
        itemOf(
          (batch, changes) => {
            const result = send(batch.tables, { request, id, blocked: changes.of(blocked, asked) }, occasion(batch));
            weigh(batch, team);
            return result;
          },
          { hints: hintsOfSend(request), bytes: request.message.length, entries: membersOf(team) },
        ),
      );
    },
    commit: (request: CommitRequest) => {
      const team = request.team && request.groupId;
      return ask(
        (batch) => {
          const result = commit(batch.tables, request, occasion(batch));
          weigh(batch, team);
          return result;
        },
        {
          hints: hintsOfCommit(request),
          bytes: bytesOf(request),
          entries: membersOf(team),
          committed: (result) => {
            if (!("refused" in result)) memory.heard.set(request.sender, clock());
          },
        },
      );
    },
    keepStatement: (request) =>
      ask((batch) => keepStatement(batch.tables, request, occasion(batch)), {
        hints: { mailboxes: [request.sender], groups: [request.groupId] },
      }),
    offers: (newcomers = []) =>
      ask(({ tables, now }) => {
        tables.statements.awaken(newcomers, now);
        return { offers: offerStatements(tables, now), next: tables.statements.next() };
      }),
    teamsOf: (mailbox) => reads.teamsOf(mailbox),
    entries: (mailbox, after, room) => {
      catchUp();
      return reads.entries(mailbox, after, room);
    },
    received: (mailbox, seq) => received(mailbox, seq),
    receivedSoon: (mailbox, seq, deleted) => {
      deleting.begin(mailbox, seq);
      soon(() => received(mailbox, seq).then(deleted, () => {}));
    },
    look: (mailbox) => {
      catchUp();
      return look(mailbox);
    },
    listen: (mailbox) => {
      catchUp();
      return listen(mailbox);
    },
    unlisten,
    // Whoever asks looks through all mailboxes that are listened to, and everybody's reads wait behind that.
    online: forASecond(() => reads.online()),

    publishKeys: (mailbox, packages, lastResort, replace) =>
      ask(({ tables, now }) => publishKeys(tables, { mailbox, packages, lastResort, replace }, now), {
        hints: { mailboxes: [mailbox] },
        isAlone: replace,
        bytes: packages.reduce((sum, { length }) => sum + length, 0),
      }),
    claimKeys: (claimant, username, another) =>
      ask(({ tables }) => withAccount(claimKeys(tables, { claimant, username, another })), {
        hints: hintsOfNames([username], [claimant]),
      }),
    blobs: {
      reserve: (blob: NewBlob) => {
        const id = randomBytes(16).toString("hex");
        return ask(({ tables, now }) => reserveBlob(tables, blob, { id, now }), {
          hints: { mailboxes: [blob.mailbox] },
        });
      },
      find: (id) => reads.blob(id),
      advance: (id, from, to) => ask(({ blobs }) => blobs.advance(id, from, to)),
      seal: (id) => ask(({ blobs }) => blobs.seal(id)),
      remove: (id, by) =>
        ask(
          ({ blobs, tables }) => {
            if (by === undefined) return blobs.remove(id);
            if (by === "token") return blobs.remove(id, {});
            // Of an account that is gone, or a device that was replaced, it is no more.
            const owner = senderOf(tables, by);
            return owner !== undefined && blobs.remove(id, { owner: owner.name });
          },
          { hints: { mailboxes: typeof by === "number" ? [by] : [] } },
        ),
      removeOverdue: (limit) => rare(({ blobs }) => blobs.removeOverdue(limit)),
      known: (ids) => reads.knownBlobs(ids),
      sealedAfter: (id, limit) => reads.sealedAfter(id, limit),
      room: (free) => reads.blobRoom(free, memory.limits.reserveBytes),
      totals: () => reads.blobTotals(),
      mark: () => reads.meta("blobs_mark"),
      setMark: (mark) => rare(({ sendLater }) => sendLater(SET_MARK, [mark])),
    },
    sweep: async () => {
      const result = await rare(({ tables, upkeep, now }) => {
        // One relay sweeps; the others have nothing to do.
        if (!upkeep.hasTurn) return undefined;
        return {
          ...sweep(tables, swept, now),
          ...upkeep.sweep({ afterBody: sweptBody, remembered: memory.limits.rememberedRequests }),
        };
      });
      if (result === undefined) return { expired: 0, unnoticed: 0, more: false, next: Infinity };
      const { place, body, requestsSince, ...done } = result;
      swept = place;
      sweptBody = body;
      memory.requestsSince = requestsSince;
      // What was given back by statements alone is read again.
      memory.charges.clear();
      return done;
    },
    // All that this relay was told is read is read; for what others tell it meanwhile nobody waits, since under load that has no end.
    depth: async () => {
      catchUp();
      await Promise.all(begun);
      return reads.depth();
    },
    administer: (deed) => rare(({ tables }) => administer(tables, deed), hintsOfNames([deed.target])),
    countRefusals: (counts) => rare(({ sendLater }) => countRefusals(sendLater, counts)),
    audit: (last) => reads.audit(last),
    [Symbol.asyncDispose]: () => {
      catchUp();
      end();
      return parts.end();
    },
  };
}

function withAccount<T extends { account: KeyAccount }>(result: T | Refused): T | Refused {
  return "refused" in result ? result : { ...result, account: wholeAccount(result.account) };
}

const SET_MARK = "INSERT INTO meta VALUES ('blobs_mark', $1) ON CONFLICT DO NOTHING";

function bytesOf({ commit: text = "", welcomes, messages, team }: CommitRequest): number {
  const shared = team === undefined ? 0 : JSON.stringify([team.body, team.tree]).length;
  const each = [...welcomes.map(({ welcome }) => welcome), ...messages.map(({ message }) => message)];
  return text.length + shared + each.reduce((sum, { length }) => sum + length, 0);
}
