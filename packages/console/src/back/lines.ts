/** Messages as the page shows them. */
import type { Agent, Alert, DeadLetter, InboxEntry, Line, Message, OutgoingFile, SentEntry } from "@aimessage/sdk";
import type { FileView, LineView } from "./port.ts";

/** Characters of a body, and lines, that are sent to the page unless more is asked for. */
const SHOWN = 4_000;
const SHOWN_LINES = 60;
/** Messages that are sent to the page at once; with whole bodies, which may be large, fewer. */
export const PAGE = 100;
const WHOLE_PAGE = 20;
const GONE = "the text is kept no longer";
/** Kinds of alerts that say themselves where they belong among messages. */
const FROM_HEARD = "heard";

interface Which {
  with: string;
  before?: string | undefined;
  ids?: string[] | undefined;
  whole?: boolean | undefined;
}

/** Part of a conversation, with what the owner should know of it where that came. */
export async function linesOf(agent: Agent, { with: name, before, ids, whole = false }: Which): Promise<LineView[]> {
  if (ids !== undefined)
    return (await agent.conversations.some(name, ids)).map((line) => lineView(line, agent.username, whole));
  const last = whole ? WHOLE_PAGE : PAGE;
  const lines = await agent.conversations.lines(name, { last, ...(before === undefined ? {} : { before }) });
  const views = lines.map((line) => lineView(line, agent.username, whole));
  if (whole) return views;
  const from = lines.length < last ? 0 : (lines[0]?.at ?? 0);
  // What came between this page and the next one is told with this one.
  const next = before === undefined ? [] : await agent.conversations.some(name, [before]);
  const to = next[0]?.at ?? Infinity;
  const alerts = (await agent.alerts()).filter(({ contact, at }) => contact === name && at >= from && at < to);
  return [...views, ...alerts.map(alertView)].sort((a, b) => a.at - b.at);
}

export function lineView(line: Line, own: string, whole = false): LineView {
  return line.own ? sentView(line.message, own, whole) : cameView(line.message, whole);
}

const nothing = { expectsReply: false, verified: false, tier: "unknown", human: false, files: [] } as const;

function alertView({ at, kind, text, about }: Alert): LineView {
  return {
    ...nothing,
    kind: "alert",
    // One that comes again is the same, at another time.
    id: `${kind} ${about ?? text}`,
    at,
    from: FROM_HEARD,
    ...shown(text, true),
    state: kind,
    files: [],
  };
}

function sentView(message: SentEntry, own: string, whole: boolean): LineView {
  const { id, createdAt: at, state, reason, hint, counts, expectsReply, replyTo, human, bytes, isKept } = message;
  const files = (message.files ?? []).map(sentFile);
  const instead = isKept ? noText(message.body, bytes, message.contentType) : GONE;
  return {
    ...nothing,
    kind: "sent",
    id,
    at,
    from: own,
    ...shown(message.body, whole),
    ...(instead === undefined ? {} : { instead }),
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(hint === undefined ? {} : { hint }),
    ...(counts === undefined ? {} : { counts }),
    expectsReply,
    human,
    ...(replyTo === undefined ? {} : { replyTo }),
    files,
  };
}

export function cameView(
  message: Message & Partial<Pick<InboxEntry, "state" | "reason">> & { isKept?: boolean },
  whole = false,
): LineView {
  const { id, peerId, receivedAt: at, from, bytes, contentType, expectsReply, replyTo, verified, human } = message;
  const { state = "waits", reason, isKept = true } = message;
  const files = message.files.map(({ name, bytes }): FileView => ({ name, bytes }));
  const instead = isKept ? noText(message.body, bytes, contentType) : GONE;
  return {
    kind: "came",
    id,
    peerId,
    at,
    from,
    ...shown(message.body, whole),
    ...(instead === undefined ? {} : { instead }),
    state,
    ...(reason === undefined ? {} : { reason }),
    expectsReply,
    ...(replyTo === undefined ? {} : { replyTo }),
    verified,
    tier: message.trust,
    human,
    files,
  };
}

/** A file that was sent, and how far it is. */
export function sentFile({ name, bytes, state, done, reason }: OutgoingFile): FileView {
  return { name, bytes, state, done, ...(reason === undefined ? {} : { reason }) };
}

export function deadView(letter: DeadLetter): LineView {
  return { ...cameView({ ...letter, state: "failed" }), at: letter.failedAt };
}

function shown(body: string, whole: boolean): Pick<LineView, "body" | "more"> {
  if (whole) return { body, more: 0 };
  let end = -1;
  for (let line = 0; line < SHOWN_LINES; line++) {
    end = body.indexOf("\n", end + 1);
    if (end === -1) break;
  }
  const cut = Math.min(SHOWN, end === -1 ? body.length : end);
  return cut >= body.length ? { body, more: 0 } : { body: body.slice(0, cut).toWellFormed(), more: body.length - cut };
}

function noText(body: string, bytes: Uint8Array, contentType: string): string | undefined {
  if (body === "" && bytes.length > 0) return `${bytes.length} bytes of ${contentType}`;
  return undefined;
}
