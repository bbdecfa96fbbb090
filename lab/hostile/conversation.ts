import { randomUUID } from "node:crypto";
import { authenticatedData, encodeContent, type Header } from "../../packages/sdk/src/crypto/content.ts";
import type { Group } from "../../packages/sdk/src/crypto/mls/seam.ts";
import { fromBase64, toBase64 } from "../../packages/sdk/src/protocol/index.ts";
import { randomGroup } from "../../packages/server/test/agent.ts";
import type { LoadSocket } from "../shared/load-socket.ts";
import { crypto, type Foe, insist } from "./foe.ts";

/** A true conversation with the victim, in which the other side keeps to no rule about counters and generations. */
export class Conversation {
  readonly id: string;
  readonly #foe: Foe;
  readonly #to: { username: string; device: string };
  #group: Group;

  private constructor(id: string, foe: Foe, to: { username: string; device: string }, group: Group) {
    this.id = id;
    this.#foe = foe;
    this.#to = to;
    this.#group = group;
  }

  /** Opens it by a claimed key package. */
  static async open(foe: Foe, socket: LoadSocket, username: string, signal: AbortSignal): Promise<Conversation> {
    const { data: keys } = await insist(socket, { type: "claim_keys", id: "k", data: { username } }, signal);
    if (keys.key_package === undefined) throw new Error(`no key package: ${keys.reason}`);
    const id = randomGroup();
    const { group, welcome } = await crypto.open(
      Buffer.from(id, "hex"),
      foe.device,
      fromBase64(keys.key_package),
      Date.now(),
      () => Promise.resolve(true),
    );
    const peer = { username, device: keys.device.id as string };
    const data = {
      commit_id: id.slice(0, 32),
      group_id: id,
      epoch: 0,
      members: [{ username: foe.username, device: foe.device.id }, peer],
      welcomes: [{ to: username, device: peer.device, welcome: toBase64(welcome) }],
      messages: [],
    };
    const answer = await insist(socket, { type: "commit", id: "c", data }, signal);
    if (answer.data.status !== "committed") throw new Error(`not opened: ${answer.data.reason}`);
    return new Conversation(id, foe, peer, group);
  }

  /** Encrypts the next message; the generation rises with each, sent or not. */
  async encrypt(header: Pick<Header, "type" | "counter">, body: Uint8Array): Promise<{ id: string; message: string }> {
    const id = randomUUID();
    const { username, device } = this.#foe;
    const aad = authenticatedData({
      messageId: id,
      from: username,
      fromDevice: device.id,
      to: this.#to.username,
      toDevice: this.#to.device,
      expiresAt: undefined,
    });
    const content = { header: { id, content_type: "text/plain", sent_at: Date.now(), ...header }, body };
    const { group, message } = await crypto.encrypt(this.#group, encodeContent(content), aad);
    this.#group = group;
    return { id, message: toBase64(message) };
  }

  /** A `send` in this conversation. */
  frame(id: string, message: string): object {
    return {
      type: "send",
      id,
      data: { to: this.#to.username, message, group_id: this.id, epoch: 1, message_id: id, resume: true },
    };
  }
}
