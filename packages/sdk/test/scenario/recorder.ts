import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { toBase64 } from "../../src/protocol/index.ts";
import type { Value } from "../../src/store/store.ts";

const named = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Remembers what is derived for the secret tree (RFC 9420, section 9), and what of its ratchets was consumed. */
export class Recorder implements CryptoProvider {
  /** Secrets of nodes: each opens all below it. */
  readonly #nodes = new Set<string>();
  readonly #parents = new Set<string>();
  /** The beginnings of all ratchets, and the nodes that they are of. */
  readonly #beginnings = new Map<string, string>();
  readonly #messages = new Set<string>();
  readonly #used = new Set<string>();

  async getCiphersuiteImpl(
    ...suite: Parameters<CryptoProvider["getCiphersuiteImpl"]>
  ): ReturnType<CryptoProvider["getCiphersuiteImpl"]> {
    const primitives = await nodeCryptoProvider.getCiphersuiteImpl(...suite);
    const { kdf } = primitives;
    const expand: typeof kdf.expand = async (key, info, length) => {
      const derived = await kdf.expand(key, info, length);
      this.#hear(/MLS 1\.0 ([a-z]+)/.exec(named(info))?.[1], named(key), named(derived));
      return derived;
    };
    return { ...primitives, kdf: { ...kdf, expand } };
  }

  #hear(label: string | undefined, from: string, derived: string): void {
    if (label === "encryption" || label === "tree") this.#nodes.add(derived);
    if (label === "tree") this.#parents.add(from);
    if (label === "application" || label === "handshake") this.#beginnings.set(derived, from);
    if (label === "application") this.#messages.add(derived);
    if (label !== "secret" || !this.#messages.has(from)) return;
    this.#messages.add(derived);
    this.#used.add(from);
  }

  get counts(): { nodes: number; beginnings: number; used: number } {
    return { nodes: this.#nodes.size, beginnings: this.#beginnings.size, used: this.#used.size };
  }

  /** Tables of the records that hold secrets of nodes, what opens a message that was sent or read, or beginnings: of leaves, and of parents. */
  lookInto(records: Map<string, Value>): { nodes: string[]; used: string[]; leaves: string[]; parents: string[] } {
    const rows = [...records].map(([key, value]) => [key.split("/")[0]!, value] as const);
    const holding = (secrets: Iterable<string>): string[] => {
      const found = new Set<string>();
      for (const secret of secrets) {
        const bytes = Buffer.from(secret, "latin1");
        const text = toBase64(bytes);
        for (const [table, value] of rows)
          if (typeof value === "string" ? value.includes(text) : Buffer.from(value).includes(bytes)) found.add(table);
      }
      return [...found].toSorted();
    };
    const of = (parents: boolean) =>
      [...this.#beginnings].filter(([, node]) => this.#parents.has(node) === parents).map(([beginning]) => beginning);
    return {
      nodes: holding(this.#nodes),
      used: holding(this.#used),
      leaves: holding(of(false)),
      parents: holding(of(true)),
    };
  }
}
