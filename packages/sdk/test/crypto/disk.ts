import type { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { Group, PartName } from "../../src/crypto/mls/seam.ts";
import type { Side } from "./pair.ts";

/** The parts of one group's state, kept as a store keeps them. */
export class Disk {
  readonly rows = new Map<string, Uint8Array>();
  readonly #crypto: GroupCrypto;
  #saved: Group | undefined;

  constructor(side: Side) {
    this.#crypto = side.crypto;
    this.save(side.group);
  }

  /** @returns names and lengths of what was written, and names of what was removed */
  save(group: Group): { put: Map<string, number>; removed: string[] } {
    const { put, remove } = this.#crypto.parts(group, this.#saved);
    this.#saved = group;
    for (const [name, bytes] of put) this.rows.set(name.join("/"), bytes.slice());
    const removed = remove.map((name) => name.join("/"));
    for (const name of removed) this.rows.delete(name);
    return { put: new Map(put.map(([name, bytes]) => [name.join("/"), bytes.length])), removed };
  }

  read(): Promise<Group | undefined> {
    return this.#crypto.assemble(async (name: PartName) => this.rows.get(name.join("/"))?.slice());
  }

  /** As a process does that begins with what is kept. */
  async load(): Promise<Group> {
    const group = await this.read();
    if (group === undefined) throw new Error("nothing is kept");
    this.#saved = group;
    return group;
  }

  get bytes(): Buffer {
    return Buffer.concat([...this.rows.values()]);
  }
}
