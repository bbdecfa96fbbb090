/** A store of records in a Map: about as small as a `ClientStore` can be. It is gone with its process. */
import { AgentError, type ClientStore, type LinkHolder, type Value, type WriteTransaction } from "@aimessage/sdk";

/** What several views of one store have in common, as processes share a folder. */
export class Shared {
  /** Never changed, only replaced: a reader keeps the state with which it has begun. */
  records = new Map<string, Value>();
  version = 0;
  holder: LinkHolder | undefined;
  readonly listeners = new Set<() => void>();
  lastWrite: Promise<unknown> = Promise.resolve();
  changed(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }
}

/** Bytes are copied, since callers wipe theirs. */
const copy = <T>(value: T): T => (value instanceof Uint8Array ? (value.slice() as T) : value);
const isOther = (one: Map<string, Value>, other: Map<string, Value>): boolean =>
  one.size !== other.size || [...one].some(([key, value]) => other.get(key) !== value);

const transaction = (records: Map<string, Value>): WriteTransaction => ({
  get: async (key) => copy(records.get(key)),
  list: async ({ prefix, after, limit, reverse = false }) => {
    const isBehind = (key: string) => after === undefined || (reverse ? key < after : key > after);
    const found = [...records].filter(([key]) => key.startsWith(prefix) && isBehind(key));
    const sorted = found.sort(([a], [b]) => (a < b === reverse ? 1 : -1)).slice(0, limit);
    return sorted.map(([key, value]) => [key, copy(value)]);
  },
  put: async (key, value) => void records.set(key, copy(value)),
  delete: async (key) => void records.delete(key),
});

/** A view of a store, as another process of the same agent would have it. */
export function mapStore(shared: Shared): ClientStore {
  let closed = false;
  const open = (): Shared => {
    if (closed) throw new AgentError("closed", "the store is closed");
    return shared;
  };
  const close = async () => {
    closed = true;
    await shared.lastWrite;
    shared.changed();
  };
  return {
    read: async (work) => work(transaction(open().records)),
    write: async (work) => {
      const result = open().lastWrite.then(async () => {
        const draft = new Map(shared.records);
        const value = await work(transaction(draft));
        const changed = isOther(draft, shared.records);
        shared.records = draft; // A real store has all of it on its disk here, or nothing.
        if (changed) shared.changed();
        return value;
      });
      shared.lastWrite = result.catch(() => undefined);
      return result;
    },
    onChange: (listener) => {
      shared.listeners.add(listener);
      return () => shared.listeners.delete(listener);
    },
    version: () => String(shared.version),
    takeLink: async (role) => {
      if (open().holder !== undefined) return undefined;
      const holder = (shared.holder = { pid: 0, role, stopped: false });
      const release = async () => {
        if (shared.holder === holder) shared.holder = undefined;
        shared.changed();
      };
      return { release };
    },
    linkHolder: async () => shared.holder,
    scrub: async () => true,
    close,
    [Symbol.asyncDispose]: close,
  };
}
