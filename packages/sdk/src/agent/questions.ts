/** Questions: messages that expect a reply, and replies, which their asker takes, whichever process of the agent that is. */
import { AgentError } from "../errors.ts";
import { isFinal } from "../records/outbox-records.ts";
import { find, get, list, pad } from "../records/records.ts";
import type { OutboxRecord, QuestionRecord } from "../records/tables.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import type { Link } from "../link/link.ts";
import { check } from "./arguments.ts";
import type { SendOptions } from "./enqueue.ts";
import { type Message, readMessage } from "./message.ts";
import { settleRow, takeReply } from "./settling.ts";
import { whyNeverHere } from "./sent.ts";
import { idMeantBy } from "./short-ids.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** How long a reply is waited for if nothing else is said. Milliseconds. */
export const ASK_MS = 60_000;
/** The clock of the day and the one that waits are counted by may differ so much. Milliseconds. */
const MARGIN_MS = 20;

export interface AskOptions extends Omit<SendOptions, "expiresIn" | "replyTo"> {
  /** Milliseconds for which a reply is of use: the question expires then, on both sides. Default 60,000. */
  timeout?: number;
  signal?: AbortSignal;
}

/** A question as `asks` shows it. Times in Unix milliseconds. */
export interface Question {
  id: string;
  to: string;
  /** open: a reply may come. answered: one waits to be taken. taken: it was. expired, refused, failed: none comes any more. */
  state: "open" | "answered" | "taken" | "expired" | "refused" | "failed";
  reason?: string;
  askedAt: number;
  deadline: number;
  /** Our id of the reply, once it has come, for as long as it is kept. */
  replyId?: string;
}

/** A question that was asked. It is sent, and its reply kept, whether or not anybody waits here. */
export class Asked {
  readonly id: string;
  readonly to: string;
  readonly deadline: number;
  /** It was asked before: see `sameWithin`. */
  readonly repeated: boolean;
  readonly #store: ClientStore;
  readonly #link: Link;
  readonly #own: string;

  constructor(store: ClientStore, link: Link, own: string, record: QuestionRecord & { repeated?: boolean }) {
    this.id = record.id;
    this.repeated = record.repeated === true;
    this.to = record.to_name ?? record.to;
    this.deadline = record.deadline;
    this.#store = store;
    this.#link = link;
    this.#own = own;
  }

  /**
   * The reply, once it has come; it counts as handled then, and can be read again.
   * @throws AgentError expired, refused, failed: none will come; timeout, relay_unreachable, aborted: it may still come
   */
  async reply(wait: Wait = {}): Promise<Message> {
    check("wait", wait, "wait");
    const left = Math.max(0, this.deadline - Date.now()) + MARGIN_MS;
    const within = { ...wait, timeout: Math.min(left, wait.timeout ?? left) };
    const seq = await waitFor(this.#store, this.#link, `the reply of ${this.to}`, () => this.#look(), within);
    return this.#store.write(async (tx) => {
      const row = await get(tx, "in/", pad(seq));
      if (row === undefined) throw new AgentError("unknown_message", `the reply to ${this.id} is not kept any more`);
      if (row.state === "unhandled") await settleRow(tx, row, { state: "handled" });
      await takeReply(tx, this.id);
      return readMessage(tx, row, this.#own);
    });
  }

  /** What came of it so far. @throws AgentError unknown_message */
  async status(): Promise<Question> {
    const record = await findQuestion(this.#store, this.id);
    return this.#store.read((tx) => show(tx, record));
  }

  /** @returns where the reply stands in the inbox, undefined if one may still come @throws AgentError if none will */
  #look(): Promise<number | undefined> {
    return this.#store.read(async (tx) => {
      const question = await find(tx, "question/", this.id);
      if (question?.reply !== undefined) return question.reply;
      const row = await get(tx, "out/", pad(question?.seq ?? 0));
      if (row !== undefined && isFinal(row.state) && row.state !== "handled" && !mayBeAnswered(row))
        throw await whyNeverHere(tx, row);
      if (this.deadline > Date.now()) return undefined;
      const said =
        row?.state === "handled"
          ? `${this.to} has handled question ${this.id}, and has not answered it in time`
          : `nobody has answered question ${this.id} to ${this.to} in time`;
      throw new AgentError("expired", said, {
        reason: "expired",
        hint: "a reply that comes now is a message like others; or ask again, with more time",
      });
    });
  }
}

/** Whether a question to a group that not all of it have handled is one that others have. */
function mayBeAnswered({ reason, recipients }: OutboxRecord): boolean {
  return reason === "partial" && (recipients?.handled ?? 0) > 0;
}

/** The question of an id, or of its beginning. @throws AgentError unknown_message, usage */
export async function findQuestion(store: ClientStore, typed: string): Promise<QuestionRecord> {
  const records = await store.read((tx) => list(tx, "question/", { under: typed }));
  const id = idMeantBy(
    typed,
    records.map((record) => record.id),
  );
  const found = records.find((record) => record.id === id);
  if (found !== undefined) return found;
  throw new AgentError("unknown_message", `no question ${typed} was asked here, or it is not known any more`, {
    hint: "aimessage asks lists them",
  });
}

/** What was asked, oldest first. */
export function listQuestions(store: ClientStore): Promise<Question[]> {
  return store.read(async (tx) => {
    const questions: Question[] = [];
    for (const record of await list(tx, "question/")) questions.push(await show(tx, record));
    return questions.toSorted((a, b) => a.askedAt - b.askedAt);
  });
}

async function show(
  tx: ReadTransaction,
  { id, to, to_name: name = to, seq, state, reply, asked_at, deadline }: QuestionRecord,
): Promise<Question> {
  const replyId = reply === undefined ? undefined : (await find(tx, "in/", pad(reply)))?.local_id;
  const question = { id, to: name, askedAt: asked_at, deadline, ...(replyId === undefined ? {} : { replyId }) };
  if (state === "taken") return { ...question, state };
  if (reply !== undefined) return { ...question, state: "answered" };
  const row = await find(tx, "out/", pad(seq));
  if ((row?.state === "refused" || row?.state === "failed") && !mayBeAnswered(row))
    return { ...question, state: row.state, reason: row.reason ?? row.state };
  return { ...question, state: deadline <= Date.now() || row?.state === "expired" ? "expired" : "open" };
}
