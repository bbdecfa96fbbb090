/** What may be done with a message that has come. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import { utf8 } from "../protocol/index.ts";
import { isRefusal } from "../records/outbox-records.ts";
import type { InboxRecord, OutboxRecord } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { check } from "./arguments.ts";
import type { Letter } from "./enqueue.ts";
import type { Files } from "./files.ts";
import type { IncomingMessage, Message, ReplyOptions } from "./message.ts";
import { retryMessage, settleMessage, settleWith } from "./settling.ts";
import type { Sent } from "./sent.ts";

interface Means {
  store: ClientStore;
  crypto: GroupCrypto;
  send: (letter: Letter) => Promise<Sent>;
  sent: (id: string) => Promise<Sent | undefined>;
  /** Lets the link share the commit of what is being written. */
  writing: <T>(work: Promise<T>) => Promise<T>;
  /** Puts a letter into the outbox, in a transaction; its files were looked at before. */
  enqueue: (tx: WriteTransaction, letter: Letter) => Promise<OutboxRecord>;
  files: Files;
}

/** What may be done with a message: what is more in {@link IncomingMessage}. */
export type Handles = Omit<IncomingMessage, Exclude<keyof Message, "files">>;

/** The handles of a message. */
export function handlesOf(row: InboxRecord, means: Means): Handles {
  const { store, crypto, send, sent, writing, enqueue, files } = means;
  const letter = (body: Letter["body"], { privately = false, ...more }: ReplyOptions = {}): Letter => {
    const thread = row.thread === undefined ? {} : { thread: row.thread };
    // In a team several may have sent something under one id: ours says which is meant.
    if (row.team !== undefined && !privately)
      return { to: row.from, team: row.team, body, options: { replyTo: row.local_id, ...thread, ...more } };
    return { to: row.from, body, options: { replyTo: row.id, ...thread, ...more }, identityKey: row.identity_key };
  };
  /** Says which message it answers: it is the same at each attempt. */
  const answerId = async () => (await crypto.digest(utf8(`reply ${row.from}/${row.id}`))).slice(0, 32);
  return {
    files: files.of(row),
    reply: (body, more) => send(letter(body, more)),
    handled: async (reply) => {
      if (reply === undefined) return writing(settleMessage(store, row));
      const messageId = await answerId();
      const answer = await files.given(letter(reply.body, { messageId, ...reply.options }));
      let put: OutboxRecord | undefined;
      const once = async (tx: WriteTransaction): Promise<void> => {
        put = (await tx.get(`out-id/${messageId}`)) === undefined ? await enqueue(tx, answer) : undefined;
      };
      await writing(settleWith(store, row, once)).catch(async (error: unknown) => {
        await files.letGo(answer);
        throw error;
      });
      // When it is in the store, and not before: then there is something to be brought.
      if (put === undefined) await files.letGo(answer);
      else files.begin(put, answer);
    },
    answer: async () => sent(await answerId()),
    failed: async (reason) => {
      check("text", { text: reason }, "reason");
      // Some words are the owner's alone.
      await writing(settleMessage(store, row, isRefusal(reason) ? `handler: ${reason}` : reason));
    },
    retry: async (reason, delay, { counts = true } = {}) => {
      check("retry", { reason, delay, counts });
      await retryMessage(store, row, { reason, delay, counts });
    },
  };
}
