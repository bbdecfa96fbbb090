import { readableFingerprint } from "../crypto/identity.ts";
import { AgentError } from "../errors.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { get } from "../records/records.ts";
import type { HoldingRecord, InboxPolicy } from "../records/consent-records.ts";
import { settleAlerts } from "../trust/alerts.ts";
import { heldOf, holders, letHeldIn } from "../trust/held.ts";
import { policyOf, refuseRequest, setStanding } from "../trust/standing.ts";
import { parseName } from "./address.ts";
import { check } from "./arguments.ts";
import { type Message, messageOf } from "./message.ts";
import { endAllUnwanted } from "./unwanted.ts";

/** A stranger whose messages wait for the owner's consent. */
export interface Request {
  /** As it spells itself. */
  username: string;
  /** Of its identity key, in groups of four. */
  fingerprint: string;
  messages: number;
  /** Our clock, Unix milliseconds. */
  firstAt: number;
  lastAt: number;
}

/** The policy of who may write to this agent, and the strangers who have asked to. Only a person should decide here. */
export class Requests {
  readonly #store: ClientStore;
  readonly #own: string;

  constructor(store: ClientStore, own: string) {
    this.#store = store;
    this.#own = own;
  }

  /** `open`: anybody may write; `contacts`: strangers wait here; `closed`: strangers are refused. */
  policy(): Promise<InboxPolicy> {
    return this.#store.read(policyOf);
  }

  /**
   * From now on. To `contacts`: what strangers have sent before, and nobody works on, waits as well. To `open`: what waits is let in.
   * @throws AgentError usage
   */
  async setPolicy(policy: InboxPolicy): Promise<void> {
    check("policy", { policy });
    await this.#store.write((tx) => tx.put("meta/policy", policy));
    if (policy !== "open") return endAllUnwanted(this.#store);
    for (const { username } of await this.#store.read((tx) => holders(tx, "consent")))
      await this.#store.write((tx) => letHeldIn(tx, "consent", username));
  }

  /** By name. */
  list(): Promise<Request[]> {
    return this.#store.read(async (tx) => {
      const requests = await holders(tx, "consent");
      return Promise.all(
        requests.map(async (request) => show(request, (await get(tx, "contact/", request.username))?.identity_key)),
      );
    });
  }

  /** Messages that one has sent, oldest first. @throws AgentError bad_username, unknown_contact */
  show(username: string): Promise<Message[]> {
    const name = parseName(username);
    return this.#store.read(async (tx) => {
      const held = await heldOf(tx, "consent", name);
      if (held.length === 0) throw noRequest(username);
      return held.map(({ row, body }) => messageOf(row, body, { to: this.#own, trust: "unknown" }));
    });
  }

  /** Lets one in, as if the owner had written to it. @returns how many messages come now @throws AgentError bad_username, unknown_contact */
  accept(username: string): Promise<number> {
    return this.#decide(username, (tx, name) => setStanding(tx, name, "allow"));
  }

  /** Ends what one has sent; it hears so, and may ask again. @returns how many messages @throws AgentError bad_username, unknown_contact */
  refuse(username: string): Promise<number> {
    return this.#decide(username, refuseRequest);
  }

  #decide(username: string, decide: (tx: WriteTransaction, name: string) => Promise<unknown>): Promise<number> {
    const name = parseName(username);
    return this.#store.write(async (tx) => {
      const request = await get(tx, "holding/", `consent/${name}`);
      if (request === undefined) throw noRequest(username);
      await decide(tx, name);
      await settleAlerts(tx, name);
      return request.messages;
    });
  }
}

function noRequest(username: string): AgentError {
  return new AgentError("unknown_contact", `no message of ${username} waits for your consent`, {
    hint: "aimessage requests lists those whose messages do; aimessage contacts block takes anybody",
  });
}

async function show(request: HoldingRecord, key: string | undefined): Promise<Request> {
  return {
    username: request.from_name,
    fingerprint: key === undefined ? "" : await readableFingerprint(request.username, key),
    messages: request.messages,
    firstAt: request.first_at,
    lastAt: request.last_at,
  };
}
