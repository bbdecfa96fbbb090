import { readAccount } from "../../src/records/own-account.ts";
import { readPeer } from "../../src/records/members.ts";
import { list } from "../../src/records/records.ts";
import { authenticatedData, encodeContent, type Header } from "../../src/crypto/content.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { toBase64 } from "../../src/protocol/index.ts";
import { statesIn } from "./attacker.ts";
import type { Frame } from "./proxy.ts";
import type { World } from "./world.ts";

interface Of {
  from: string;
  crypto: GroupCrypto;
  like: Frame;
  device: string;
  peerDevice: string;
}

/** A member of a conversation with Bob that has its keys, and keeps none of our rules. Its agent has to be closed. */
export class HostileMember {
  readonly #of: Of;
  #group: Group;

  private constructor(of: Of, group: Group) {
    this.#of = of;
    this.#group = group;
  }

  static async over(world: World, from: string): Promise<HostileMember> {
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    return world.memory(from).read(async (tx) => {
      const account = await readAccount(tx);
      const groups = await list(tx, "group/");
      const record = groups.find(({ state, contact }) => state === "open" && contact === "bob");
      const peer = record === undefined ? undefined : await readPeer(tx, record);
      const state = (await statesIn(tx)).get(record?.id ?? "");
      const pushed = world.proxy.pushedTo("bob", "application");
      const like = pushed.findLast(({ data }) => data.from === from);
      if (account === undefined || peer === undefined || state === undefined || like === undefined)
        throw new Error(`${from} has not talked to bob`);
      const of = { from, crypto, like, device: account.device.id, peerDevice: peer.device };
      return new HostileMember(of, crypto.decode(state));
    });
  }

  /** A frame as the relay would push it. */
  async frame(header: Pick<Header, "id" | "counter"> & Partial<Header>, body: Uint8Array): Promise<Frame> {
    const { crypto, from, like, device, peerDevice } = this.#of;
    const whole: Header = { type: "message", content_type: "text/plain", sent_at: 1, ...header };
    const bound = authenticatedData({
      messageId: whole.id,
      from,
      fromDevice: device,
      to: "bob",
      toDevice: peerDevice,
      expiresAt: undefined,
    });
    const { group, message } = await crypto.encrypt(this.#group, encodeContent({ header: whole, body }), bound);
    this.#group = group;
    const { expires_at: _expiry, ...data } = like.data;
    return { ...like, data: { ...data, message: toBase64(message), message_id: whole.id } };
  }
}
