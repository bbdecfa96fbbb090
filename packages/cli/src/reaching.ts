/** Waits until a message is as far as its sender wants it, with its files. */
import type { Agent, MessageStatus, Sent } from "@aimessage/sdk/node";
import { isAgentError, SendError } from "./errors.ts";
import type { FilesShown } from "./file-progress.ts";
import { fileSize, percent } from "./units.ts";

/** How often it is looked why a file does not move. Milliseconds. */
const LOOK_MS = 1_000;
/** Before a wait that was given up is begun again. Milliseconds. */
const PAUSE_MS = 100;

export type Reached = "stored" | "received" | "handled";

interface How {
  state?: Reached | undefined;
  /** Of a message to a group: so many of its members are enough. */
  atLeast?: number | undefined;
  /** Milliseconds, from the last of its files that has moved. */
  timeout: number;
  signal: AbortSignal;
}

/** @throws SendError */
export async function reached(agent: Agent, sent: Sent, how: How, shown: FilesShown): Promise<MessageStatus> {
  using following = follow(agent, sent, shown);
  try {
    const status = await waited(sent, how, shown);
    await following.look();
    return status;
  } catch (error) {
    throw new SendError(await sent.status(), error, sent.to.startsWith("@") ? await sent.recipients() : undefined);
  }
}

async function waited(sent: Sent, { state = "stored", atLeast, timeout, signal }: How, shown: FilesShown) {
  const begun = performance.now();
  for (;;) {
    const left = Math.max(begun, shown.lastAt) + timeout - performance.now();
    try {
      return await sent[state]({ timeout: Math.max(0, left), signal, atLeast });
    } catch (error) {
      const mayMove = isAgentError(error) && (error.code === "timeout" || error.code === "relay_unreachable");
      if (!mayMove || performance.now() - shown.lastAt >= timeout) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Shows how far its files are: as they move, and why they do not. */
export function follow(
  agent: Agent,
  sent: Pick<Sent, "id">,
  shown: FilesShown,
): Disposable & { look: () => Promise<void> } {
  const ended = new Set<number>();
  const look = async (): Promise<void> => {
    for (const [index, file] of ((await agent.status(sent.id))?.files ?? []).entries()) {
      const reason = file.reason === undefined ? undefined : whyItWaits(file.reason);
      if (file.state === "waits") shown.look(sent.id, index, { ...file, reason });
      if (file.state === "waits" || ended.has(index)) continue;
      ended.add(index);
      shown.end(sent.id, index, file.state === "failed" ? undefined : "sent");
    }
  };
  const tryLook = (): void => void look().catch(() => undefined);
  tryLook();
  const timer = setInterval(tryLook, LOOK_MS).unref();
  return { look, [Symbol.dispose]: () => clearInterval(timer) };
}

const REASONS: Record<string, string> = {
  blob_quota: "no room left for your files at the relay",
  storage_full: "the relay's disk is full",
  relay_unreachable: "the relay cannot be reached",
};

/** Why a file waits, by its stable word, which stands behind. */
export function whyItWaits(reason: string): string {
  const known = REASONS[reason];
  return known === undefined ? reason : `${known} (${reason})`;
}

/** How far the files of a message are that waits for them, in a line; empty if it has none, or does not. */
export function filesInLine({ state, files: all = [] }: MessageStatus): string {
  if (all.length === 0 || state !== "queued") return "";
  const [done, bytes] = [total(all.map((file) => file.done)), total(all.map((file) => file.bytes))];
  const waits = all.find((file) => file.state === "waits" && file.reason !== undefined)?.reason;
  const why = waits === undefined ? "" : `: ${whyItWaits(waits)}`;
  return `waits for its ${all.length === 1 ? "file" : `${all.length} files`}, ${percent(done, bytes)} % of ${fileSize(bytes)}${why}`;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
