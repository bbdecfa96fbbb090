/** A member of a group that is nothing but an account: it has one key package, listens, acknowledges, and reads nothing. */
import { AgentError, type GroupCrypto } from "@aimessage/sdk/node";
import {
  certificateBody,
  type DeviceCertificate,
  encodeCertificate,
  loginBytes,
  randomId,
  registrationBytes,
  relayName,
  toBase64,
} from "@aimessage/sdk/protocol";

interface Frame {
  type: string;
  reply_to?: string;
  data: { kind?: string; seq?: number; log_id?: string; challenge?: string; message?: string; reason?: string };
}

export class BenchMember {
  readonly username: string;
  readonly #socket: WebSocket;
  readonly #relay: string;
  readonly #crypto: GroupCrypto;
  readonly #keys: { privateKey: Uint8Array; publicKey: Uint8Array };
  readonly #device = randomId();
  readonly #answers = new Map<string, (frame: Frame) => void>();
  #asked = 0;
  #log = "";
  #heard: () => void = () => undefined;

  private constructor(username: string, relay: string, means: { crypto: GroupCrypto; keys: Keys; socket: WebSocket }) {
    this.username = username;
    this.#relay = relay;
    this.#crypto = means.crypto;
    this.#keys = means.keys;
    this.#socket = means.socket;
    this.#socket.addEventListener("message", ({ data }) => this.#receive(String(data)));
  }

  /** Registers an account, and listens with it. */
  static async join(server: string, crypto: GroupCrypto, username: string): Promise<BenchMember> {
    const socket = new WebSocket(server);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () =>
        reject(new AgentError("relay_unreachable", `no relay answers at ${server}`)),
      );
    });
    const keys = await crypto.generateKeys();
    const member = new BenchMember(username, relayName(new URL(server)), { crypto, keys, socket });
    await member.#register();
    await member.#listen();
    return member;
  }

  /** Resolves with the next message to the group. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#heard = resolve));
  }

  async leave(): Promise<void> {
    await this.#ask("unregister", { release: true }).catch(() => undefined);
    this.#socket.close();
  }

  async #register(): Promise<void> {
    const identity = await this.#crypto.generateKeys();
    const said: DeviceCertificate = {
      identityKey: identity.publicKey,
      username: this.username,
      deviceId: this.#device,
      deviceKey: this.#keys.publicKey,
      counter: 1,
      issuedAt: Date.now(),
    };
    const word = await this.#crypto.sign(identity.privateKey, certificateBody(said));
    const certificate = encodeCertificate(said, word);
    const { public: last } = await this.#crypto.makeKeyPackage({ ...this.#keys, certificate }, Date.now());
    const registration = {
      relay: this.#relay,
      username: this.username,
      identityKey: identity.publicKey,
      device: this.#device,
      certificate,
      keyPackages: [],
      lastResort: last,
    };
    await this.#ask("register", {
      username: this.username,
      identity_key: toBase64(identity.publicKey),
      device: { id: this.#device, key: toBase64(this.#keys.publicKey), certificate: toBase64(certificate) },
      last_resort: toBase64(last),
      relay: this.#relay,
      signature: toBase64(await this.#crypto.sign(this.#keys.privateKey, registrationBytes(registration))),
    });
  }

  async #listen(): Promise<void> {
    const who = { username: this.username, device: this.#device, relay: this.#relay };
    const { data } = await this.#ask("authenticate", who);
    const counter = 1;
    const signed = loginBytes({ ...who, counter, challenge: data.challenge ?? "" });
    const signature = toBase64(await this.#crypto.sign(this.#keys.privateKey, signed));
    await this.#ask("authenticate", { ...who, counter, signature });
    this.#log = (await this.#ask("listen", {})).data.log_id ?? "";
  }

  /** @throws Error what the relay has against it */
  #ask(type: string, data: object): Promise<Frame> {
    const id = String(++this.#asked);
    return new Promise((resolve, reject) => {
      this.#answers.set(id, (frame) => {
        if (frame.type === "error") reject(refused(type, frame.data));
        else resolve(frame);
      });
      this.#socket.send(JSON.stringify({ type, id, data }));
    });
  }

  #receive(text: string): void {
    const { type, reply_to: id, data } = JSON.parse(text) as Frame;
    if (id !== undefined) {
      const answer = this.#answers.get(id);
      this.#answers.delete(id);
      return answer?.({ type, data });
    }
    if (type !== "message" && type !== "offline_message") return;
    if (data.kind === "application") this.#heard();
    this.#socket.send(JSON.stringify({ type: "received", data: { log_id: this.#log, seq: data.seq } }));
  }
}

function refused(type: string, { message = "", reason }: Frame["data"]): AgentError {
  return new AgentError("refused", `the relay refused ${type} for a member: ${message}`, {
    reason,
    hint: "a relay takes so many accounts of one address at a time: choose fewer members, or start one for this with --no-limits",
  });
}

type Keys = Awaited<ReturnType<GroupCrypto["generateKeys"]>>;
