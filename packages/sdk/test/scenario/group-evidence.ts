/** What of a group anybody has who has seen all frames, and has the relay's disk. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { NamedDevice } from "../../src/crypto/team/commit-data.ts";
import { fromBase64 } from "../../src/protocol/index.ts";
import type { Passage } from "./proxy.ts";

export type SealedKind = "message" | "commit" | "direct" | "welcome" | "tree" | "file";

/** Something that is not for everybody. */
export interface Sealed {
  kind: SealedKind;
  id: string;
  /** The epoch that it belongs to; of a Welcome and its tree the one that these open. Of a file 0. */
  epoch: number;
  bytes: Uint8Array;
  /** Of a direct frame. */
  from?: NamedDevice;
  to?: NamedDevice;
}

/** Fields of frames that the relay takes or pushes, and of its rows. */
interface Fields {
  kind?: string;
  epoch?: number;
  message_id?: string;
  commit_id?: string;
  message?: string;
  body?: unknown;
  tree?: unknown;
  direct?: boolean;
  to?: string;
  group_id?: string;
  welcomes?: { to: string; welcome: string }[];
}

export class Evidence {
  readonly #items = new Map<string, Sealed>();
  readonly #devices: Map<string, string>;
  readonly #group: string;
  /** How many of all lay on the relay's disk. */
  readonly onDisk: number;

  /** @param folder The relay's, of which one group is looked at. */
  constructor(recorded: Passage[], folder: string, group: string) {
    this.#group = group;
    using db = new DatabaseSync(join(folder, "relay.db"), { readOnly: true });
    const boxes = db.prepare("SELECT mailbox, name, device FROM mailboxes").all() as unknown as {
      mailbox: number;
      name: string;
      device: string;
    }[];
    this.#devices = new Map(boxes.map(({ name, device }) => [name, device]));
    const names = new Map(boxes.map(({ mailbox, name }) => [mailbox, name]));
    const rows = db.prepare("SELECT e.*, b.text FROM entries e LEFT JOIN bodies b USING (body) ORDER BY seq").all();
    for (const row of rows as unknown as (Fields & { mailbox: number; from_name: string; text: string | null })[]) {
      const shared = row.text === null ? {} : (JSON.parse(row.text) as Fields);
      this.#pushed({ ...row, ...shared }, row.from_name, names.get(row.mailbox)!);
    }
    for (const file of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (file.isFile() && /^[0-9a-f]{32}$/.test(file.name))
        this.#add("file", file.name, 0, readFileSync(join(file.parentPath, file.name)));
    this.onDisk = this.#items.size;
    for (const { agent, toRelay, frame } of recorded) {
      const fields = (frame.data ?? {}) as Fields;
      if (!toRelay) this.#pushed(fields, (fields as { from?: string }).from ?? "", agent);
      else if (frame.type === "send") this.#pushed({ ...fields, kind: kindOf(fields) }, agent, fields.to ?? "");
      else if (frame.type === "commit") this.#committed(fields);
    }
  }

  get all(): Sealed[] {
    return [...this.#items.values()];
  }

  /** Those of an epoch, of which there have to be some of each kind. */
  of(kinds: SealedKind[], isAsked: (epoch: number) => boolean): Set<string> {
    const found = this.all.filter(({ kind, epoch }) => kinds.includes(kind) && isAsked(epoch));
    for (const kind of kinds) if (!found.some((one) => one.kind === kind)) throw new Error(`there is no ${kind}`);
    return new Set(found.map(nameOf));
  }

  #add(kind: SealedKind, id: string, epoch: number, bytes: Uint8Array, more: Partial<Sealed> = {}): void {
    const sealed = { kind, id, epoch, bytes: new Uint8Array(bytes), ...more };
    this.#items.set(nameOf(sealed), sealed);
  }

  #committed({ commit_id: id = "", epoch = 0, body, tree, welcomes = [], group_id }: Fields): void {
    if (group_id !== this.#group) return;
    if (typeof body === "string") this.#add("commit", id, epoch, fromBase64(body));
    if (typeof tree === "string") this.#add("tree", `of epoch ${epoch + 1}`, epoch + 1, fromBase64(tree));
    for (const { to, welcome } of welcomes) this.#add("welcome", `for ${to}`, epoch + 1, fromBase64(welcome));
  }

  /** What lies in a mailbox, or is pushed from there. */
  #pushed(fields: Fields, from: string, to: string): void {
    const { kind, group_id, message_id: id = "", epoch = 0, message = "", body, tree } = fields;
    if (group_id !== this.#group) return;
    if (kind === "application") this.#add("message", id, epoch, fromBase64(message));
    if (kind === "commit" && typeof body === "string") this.#add("commit", id, epoch, fromBase64(body));
    // That of a Welcome is the one that it opens, and of its frame to the relay the one that ends.
    if (kind === "welcome" && typeof tree === "string") this.#add("tree", `of epoch ${epoch}`, epoch, fromBase64(tree));
    if (kind === "welcome" && message !== "") this.#add("welcome", `for ${to}`, epoch, fromBase64(message));
    const [sender, receiver] = [from, to].map((name) => ({
      name: name.toLowerCase(),
      device: this.#devices.get(name.toLowerCase()) ?? "",
    }));
    if (kind === "direct") this.#add("direct", id, epoch, fromBase64(message), { from: sender!, to: receiver! });
  }
}

function kindOf({ direct }: Fields): string {
  return direct === true ? "direct" : "application";
}

export function nameOf({ kind, id }: Pick<Sealed, "kind" | "id">): string {
  return `${kind} ${id}`;
}
