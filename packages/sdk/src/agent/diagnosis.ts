import { largestBody } from "../crypto/content.ts";
import { AgentError, type ErrorCode } from "../errors.ts";
import { CIPHER_SUITE, PROTOCOL_VERSION, type RelayFrameData } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { APART_MS, span } from "../records/clock.ts";
import { waitingForFiles } from "../records/files.ts";
import { countKeyPackages } from "../records/key-records.ts";
import type { Link } from "../link/link.ts";
import { connect, type Transport } from "../wire/connect.ts";
import type { Account } from "../records/own-account.ts";
import { get, list, pad } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** One thing that was looked at. */
export interface Check {
  name: "store" | "relay" | "protocol" | "device" | "login" | "clock" | "link" | "keys" | "contacts" | "outbox";
  ok: boolean;
  text: string;
  hint?: string;
}

export interface Diagnosis {
  checks: Check[];
  limits?: Record<string, number>;
  versions: Record<string, string>;
}

/** A message that has waited for so long although the relay answers is stuck. Milliseconds. */
const STUCK_MS = 300_000;
/** What has waited because there was no link until now leaves within this, or makes way for the next. Milliseconds. */
const LEAVES_MS = 3_000;
/** How long a relay may take to let a process connect. Milliseconds. */
const REACH_MS = 3_000;
/** Stuck messages that are named. */
const NAMED = 5;

/** Which check an error belongs to. */
const PLACES: Partial<Record<ErrorCode, Check["name"]>> = {
  relay_unreachable: "relay",
  relay_protocol: "protocol",
  device_replaced: "device",
  timeout: "link",
  other_relay: "link",
  disk_full: "store",
  store_busy: "store",
  store_damaged: "store",
  home_unwritable: "store",
};

interface Parts {
  store: ClientStore;
  account: Account;
  link: Link;
  ask: (type: "info", wait: Wait | undefined) => Promise<Record<string, unknown>>;
  transport: Transport;
}

/** Looks at the store, the link, the relay and what is between them. */
export async function diagnose(parts: Parts, wait: Wait | undefined): Promise<Diagnosis> {
  const { store, account, link, ask } = parts;
  const checks: Check[] = [];
  const versions: Record<string, string> = { protocol: String(PROTOCOL_VERSION), suite: CIPHER_SUITE };
  const add = (name: Check["name"], ok: boolean, text: string, hint?: string) =>
    checks.push({ name, ok, text, ...(ok || hint === undefined ? {} : { hint }) });
  const state = await store.read(async (tx) => ({
    stopped: (await list(tx, "contact/")).filter((contact) => contact.stopped !== undefined),
    queued: (await tx.list({ prefix: "queue/" })).length,
    unhandled: (await tx.list({ prefix: "unhandled/" })).length,
    // They are in nobody's queue before their files are at the relay.
    waiting: (await waitingForFiles(tx)).size,
  }));
  let failed: Check["name"] | undefined;
  let info: RelayFrameData<"info"> | undefined;
  try {
    info = (await ask("info", wait)) as RelayFrameData<"info">;
  } catch (error) {
    const { code, message, hint } = await causeOf(error, parts);
    failed = PLACES[code] ?? "login";
    add(failed, false, message, hint);
  }
  const waiting = state.waiting === 0 ? "" : waitText(state.waiting);
  const readable = `readable; ${state.unhandled} unhandled, ${state.queued} to be sent${waiting === "" ? "" : `, ${waiting}`}`;
  if (failed !== "store") checks.unshift({ name: "store", ok: true, text: readable });
  if (info !== undefined) {
    versions["relay"] = info.version;
    add("relay", true, `${account.server} answers`);
    add("protocol", info.protocol === PROTOCOL_VERSION, `version ${info.protocol}`, "update the older side");
    add("login", true, `logged in as ${account.identity.username}`);
    // Expiry is reckoned by its word at login, whatever it says elsewhere.
    const known = await store.read((tx) => get(tx, "meta/relay"));
    const offsets = [info.time - Date.now(), known?.clock_offset ?? 0];
    const apart = Math.max(...offsets.map(Math.abs));
    const said = apart <= APART_MS ? `${Math.round(apart / 1000)} s` : span(apart);
    add(
      "clock",
      apart <= APART_MS,
      `${said} from the relay's`,
      "set this machine's clock, or have the operator set the relay's",
    );
    const keys = countKeyPackages(await store.read((tx) => list(tx, "key/")), info.time);
    add(
      "keys",
      keys.valid > 1 && keys.invalid === 0,
      `${keys.valid} key packages are at the relay${keys.invalid === 0 ? "" : `, and ${keys.invalid} that nobody can use by its clock`}`,
      "listen for a moment, so that new ones are published",
    );
    const stuck = await stuckRows(store, link, wait?.signal);
    const ids = stuck
      .slice(0, NAMED)
      .map(({ id, to }) => `${id} to ${to}`)
      .join(", ");
    add(
      "outbox",
      stuck.length === 0,
      stuck.length === 0
        ? `nothing is stuck${waiting === "" ? "" : `; ${waiting}: aimessage outbox shows how far it is`}`
        : `waiting for over 5 minutes: ${ids}`,
      "aimessage status MESSAGE_ID says more; is a contact stopped, or its mailbox full?",
    );
  }
  const ours = link.state.state !== "waiting";
  const holder = ours ? undefined : await store.linkHolder();
  const suspended = holder?.stopped === true;
  const held = `held by process ${holder?.pid} (${holder?.role})${suspended ? ", which is stopped" : ""}`;
  // A link that this process holds, and that leads nowhere, is no news beside the reason.
  if (holder !== undefined && failed !== "link") add("link", !suspended, held, "resume that process, or end it");
  else if (failed === undefined) add("link", true, "held by this process");
  add(
    "contacts",
    state.stopped.length === 0,
    state.stopped.length === 0
      ? "no contact is stopped"
      : `stopped: ${state.stopped.map((contact) => contact.username).join(", ")}`,
    "aimessage contacts list shows why",
  );
  const limits = info === undefined ? undefined : { body_bytes: largestBody(info.limits.frame_bytes), ...info.limits };
  return { checks, versions, ...(limits === undefined ? {} : { limits }) };
}

function waitText(count: number): string {
  return count === 1 ? "1 waits for its files" : `${count} wait for their files`;
}

/** Whether the relay lets this process connect, without the link. @throws AgentError relay_unreachable */
async function reach(transport: Transport, server: string, signal: AbortSignal): Promise<void> {
  const connection = await connect(transport, new URL(server), () => undefined, signal);
  connection.close();
}

/** The error that says most: behind a time-out there may be a relay that cannot be reached. */
async function causeOf(thrown: unknown, { link, account, transport }: Parts): Promise<AgentError> {
  const error = thrown instanceof AgentError ? thrown : new AgentError("internal", String(thrown));
  if (error.code !== "timeout") return error;
  const silent = () =>
    new AgentError("relay_unreachable", `no answer from ${account.server} (time-out)`, {
      hint: "check the address, the network, and whether a firewall drops what is sent there",
    });
  if (link.state.state === "connecting") return silent();
  if (link.state.state !== "waiting") return error;
  // Another process holds the link: whether it could connect is seen by connecting.
  const patience = AbortSignal.timeout(REACH_MS);
  return reach(transport, account.server, patience).then(
    () => error,
    (why: AgentError) => (why.code === "relay_unreachable" ? why : silent()),
  );
}

/** Of each recipient the message in front, if it has waited for long and goes on waiting. */
async function stuckRows(store: ClientStore, link: Link, signal: AbortSignal | undefined): Promise<OutboxRecord[]> {
  const front = await store.read(async (tx) => {
    const first = new Map<string, OutboxRecord>();
    for (const [key] of await tx.list({ prefix: "queue/" })) {
      const [, to, seq] = key.split("/") as [string, string, string];
      if (first.has(to)) continue;
      const row = await get(tx, "out/", seq);
      if (row?.kind === "message") first.set(to, row);
    }
    return [...first.values()].filter((row) => Date.now() - row.created_at > STUCK_MS);
  });
  const left = () =>
    store.read(async (tx) => {
      const rows: OutboxRecord[] = [];
      for (const { seq } of front) {
        const row = await get(tx, "out/", pad(seq));
        if (row?.state === "queued") rows.push(row);
      }
      return rows;
    });
  const none = async () => ((await left()).length === 0 ? [] : undefined);
  return waitFor(store, link, "the outbox", none, { timeout: LEAVES_MS, signal }).catch(left);
}
