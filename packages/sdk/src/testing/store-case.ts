import { AgentError, type ErrorCode } from "../errors.ts";
import type { ClientStore } from "../store/store.ts";

/** A new, empty store, and more views of the same one, as other connections or processes have them. */
export interface OpenedStore {
  store: ClientStore;
  again: () => Promise<ClientStore>;
}

/** A case of the acceptance suite: a sentence, and a promise that rejects if the store does not do it. */
export interface ClientStoreCase {
  name: string;
  run: (open: () => Promise<OpenedStore>) => Promise<void>;
}

/** @throws Error if the two are not the same value; bytes are compared by content. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const [found, wanted] = [show(actual), show(expected)];
  if (found !== wanted) throw new Error(`${what}: expected ${shorten(wanted)}, got ${shorten(found)}`);
}

/** @throws Error if `work` does not reject with this code. */
export async function refuses(code: ErrorCode, what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AgentError && error.code === code) return;
    throw new Error(`${what}: expected AgentError ${code}, got ${String(error)}`, { cause: error });
  }
  throw new Error(`${what}: expected AgentError ${code}, but it succeeded`);
}

/** Resolves when `condition` holds; looks again every few milliseconds, for ten seconds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await condition());) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ten seconds`);
    await pause();
  }
}

/** A few turns of the event loop, for whatever is on its way. */
export function pause(milliseconds: number = 5): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) =>
      part instanceof Uint8Array ? { bytes: Array.from(part).join(" ") } : part,
    ) ?? "undefined"
  );
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}
