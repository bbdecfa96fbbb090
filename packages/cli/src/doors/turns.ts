/** Messages that several take in turns, each sender's in order. */
import type { Agent, IncomingMessage } from "@aimessage/sdk/node";

export interface TurnOptions {
  /** Messages at a time, one of each sender. */
  parallel: number;
  from?: string;
  /** Messages after which it ends. */
  count?: number;
  once?: true;
}

/** Gives out messages until the signal. `take` says whether a message has ended. @returns how many have */
export async function takeTurns(
  agent: Agent,
  { parallel, from, once, count = Number.POSITIVE_INFINITY }: TurnOptions,
  until: AbortSignal,
  take: (message: IncomingMessage, signal: AbortSignal) => Promise<boolean>,
): Promise<number> {
  const failed = new AbortController();
  const signal = AbortSignal.any([until, failed.signal]);
  let ended = 0;
  let working = Math.min(parallel, count);
  const worker = async (): Promise<void> => {
    for await (const message of agent.messages({ from, once, share: true, ordered: true, signal })) {
      if (await take(message, signal)) ended += 1;
      // No more are begun than are missing.
      if (working > count - ended) break;
    }
    working -= 1;
  };
  try {
    await Promise.all(Array.from({ length: working }, worker));
  } finally {
    failed.abort();
  }
  return ended;
}
