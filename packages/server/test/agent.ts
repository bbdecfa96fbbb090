import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { certificateBody, encodeCertificate, loginBytes, registrationBytes } from "@aimessage/sdk/protocol";
import { type Frame, RawClient } from "./raw-client.ts";

interface Key {
  secret: KeyObject;
  bytes: Uint8Array;
}

function newKey(): Key {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { secret: privateKey, bytes: publicKey.export({ format: "der", type: "spki" }).subarray(-32) };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

export const randomGroup = (): string => randomBytes(32).toString("hex");

/** A key account's device, written from docs/protocol.md alone: what it sends is random bytes instead of MLS. */
export class Agent {
  readonly username: string;
  readonly identity: Key;
  readonly deviceId: string;
  readonly deviceKey = newKey();
  readonly counter: number;
  url: string;
  relay: string;
  logins = 0;
  keyPackages: string[];
  lastResort = base64(randomBytes(40));

  constructor(url: string, username: string, options: { identity?: Key; counter?: number; packages?: number } = {}) {
    this.url = url;
    this.relay = new URL(url).host;
    this.username = username;
    this.identity = options.identity ?? newKey();
    this.counter = options.counter ?? 1;
    this.deviceId = `${username}-${this.counter}`;
    this.keyPackages = Array.from({ length: options.packages ?? 8 }, () => base64(randomBytes(40)));
  }

  registration(): Record<string, unknown> {
    const body = {
      identityKey: this.identity.bytes,
      username: this.username,
      deviceId: this.deviceId,
      deviceKey: this.deviceKey.bytes,
      counter: this.counter,
      issuedAt: Date.now(),
    };
    const certificate = encodeCertificate(body, sign(null, certificateBody(body), this.identity.secret));
    const signed = registrationBytes({
      relay: this.relay,
      username: this.username,
      identityKey: this.identity.bytes,
      device: this.deviceId,
      certificate,
      keyPackages: this.keyPackages.map((text) => Buffer.from(text, "base64")),
      lastResort: Buffer.from(this.lastResort, "base64"),
    });
    return {
      username: this.username,
      identity_key: base64(this.identity.bytes),
      device: { id: this.deviceId, key: base64(this.deviceKey.bytes), certificate: base64(certificate) },
      key_packages: this.keyPackages,
      last_resort: this.lastResort,
      relay: this.relay,
      signature: base64(sign(null, signed, this.deviceKey.secret)),
    };
  }

  async challenge(client: RawClient): Promise<string> {
    const { username, deviceId: device, relay } = this;
    const { type, data } = await client.ask("authenticate", { username, device, relay });
    if (type !== "challenge") throw new Error(JSON.stringify(data));
    return data.challenge as string;
  }

  answer(challenge: string, counter = ++this.logins): Record<string, unknown> {
    const { username, deviceId: device, relay } = this;
    const bytes = loginBytes({ relay, username, device, counter, challenge });
    return { username, device, relay, counter, signature: base64(sign(null, bytes, this.deviceKey.secret)) };
  }

  async login(client: RawClient): Promise<Frame> {
    return client.ask("authenticate", this.answer(await this.challenge(client)));
  }

  /** A new connection, logged in. */
  async connect(): Promise<RawClient> {
    const client = await RawClient.open(this.url);
    const { data } = await this.login(client);
    if (data.status !== "authenticated") throw new Error(JSON.stringify(data));
    return client;
  }

  get #named(): { username: string; device: string } {
    return { username: this.username, device: this.deviceId };
  }

  /** The data of a `commit` that founds a team with others. */
  founding(others: Agent[], groupId: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      commit_id: `found-${groupId.slice(0, 8)}`,
      group_id: groupId,
      epoch: 1,
      team: true,
      members: [this, ...others].map((agent) => agent.#named),
      welcomes: others.map(welcomeFor),
      tree: base64(Buffer.from("tree")),
      ...more,
    };
  }

  /** The data of a `commit` that ends an epoch of a team. */
  change(
    groupId: string,
    epoch: number,
    { add = [], remove = [], ...more }: { add?: Agent[]; remove?: Agent[] } & Record<string, unknown> = {},
  ): Record<string, unknown> {
    return {
      commit_id: `commit-${epoch}-${this.username}`,
      group_id: groupId,
      epoch,
      team: true,
      body: base64(Buffer.from(`commit of ${epoch}`)),
      ...(add.length === 0
        ? {}
        : { add: add.map((agent) => agent.#named), welcomes: add.map(welcomeFor), tree: base64(Buffer.from("tree")) }),
      ...(remove.length === 0 ? {} : { remove: remove.map((agent) => agent.#named) }),
      ...more,
    };
  }

  /** The data of a `commit` that opens a group with another agent. */
  opening(peer: Agent, groupId: string, messages: { message_id: string; message?: string }[] = []) {
    return {
      commit_id: `open-${groupId.slice(0, 8)}`,
      group_id: groupId,
      epoch: 0,
      members: [
        { username: this.username, device: this.deviceId },
        { username: peer.username, device: peer.deviceId },
      ],
      welcomes: [{ to: peer.username, device: peer.deviceId, welcome: base64(Buffer.from("welcome")) }],
      messages: messages.map(({ message_id, message }) => ({
        to: peer.username,
        message_id,
        message: base64(Buffer.from(message ?? message_id)),
      })),
    };
  }
}

function welcomeFor({ username, deviceId }: Agent) {
  return { to: username, device: deviceId, welcome: base64(Buffer.from(`welcome ${username}`)) };
}

/** A registered agent. */
export async function newAgent(
  url: string,
  username: string,
  options: ConstructorParameters<typeof Agent>[2] = {},
): Promise<Agent> {
  const agent = new Agent(url, username, options);
  using client = await RawClient.open(url);
  const { type, data } = await client.ask("register", agent.registration());
  if (type !== "registered") throw new Error(JSON.stringify(data));
  return agent;
}
