import { KnownTeams } from "./known-teams.ts";
import { Agent } from "../../packages/server/test/agent.ts";
import type { TokenUser } from "../../packages/server/test/raw-client.ts";

/** A group as its members would know it. */
export interface Group {
  id: string;
  epoch: number;
  members: { username: string; device: string }[];
}

/** What was sent with an id, to be sent again. */
export interface Past {
  type: "send" | "commit";
  data: Record<string, unknown>;
}

/** An account that the fuzzer owns. */
export interface User {
  name: string;
  /** One of both: a full agent, or a token account, whose key is known once it is registered. */
  agent: Agent | undefined;
  token: TokenUser | undefined;
  /** A newer device, whose registration was sent. */
  next: Agent | undefined;
  registered: boolean;
  /** Its removal was asked for. */
  leaving: boolean;
  /** Registers it, once, if several connections want it. */
  registering: Promise<void> | undefined;
  past: Past[];
  groups: Group[];
  /** Room that it has asked for last, and the files that it has. */
  room: { request_id: string; read_hash: string } | undefined;
  blobs: string[];
}

const GROUPS = 8;
const PAST = 32;
const BLOBS = 8;

/** Everything that is known of the relay and its accounts, by all connections together. */
export class Known {
  readonly url: string;
  readonly users: User[] = [];
  readonly teams = new KnownTeams();
  /** Devices of agents that are not ours. */
  readonly others = new Map<string, string>();
  readonly #memberDevices = new Map<string, string[]>();
  readonly #otherNames: string[];
  #names = 0;

  constructor(port: number, others: string[], { keys = 8, tokens = 6 } = {}) {
    this.url = `ws://127.0.0.1:${port}/ws`;
    this.#otherNames = others;
    for (let count = 0; count < keys; count++) this.users.push(this.newUser("key"));
    for (let count = 0; count < tokens; count++) this.users.push(this.newUser("token"));
  }

  newUser(kind: "key" | "token", name = `${kind === "key" ? "Key" : "Tok"}-${++this.#names}`): User {
    const agent = kind === "key" ? new Agent(this.url, name, { packages: 3, counter: ++this.#names }) : undefined;
    return {
      name,
      agent,
      token: undefined,
      next: undefined,
      registered: false,
      leaving: false,
      registering: undefined,
      past: [],
      groups: [],
      room: undefined,
      blobs: [],
    };
  }

  user(pick: number): User {
    return this.users[pick % this.users.length] as User;
  }

  /** Any name: mostly ours, in any case of letters, sometimes somebody else's, a free one, or no name at all. */
  name(pick: number): string {
    const kind = pick % 16;
    const rest = pick >> 4;
    if (kind === 0) return this.#otherNames[rest % this.#otherNames.length] as string;
    if (kind === 1) return ["nobody", "Nobody-2", "x", "no body", "\u212aey-1", "a".repeat(33), ""][rest % 7] as string;
    const { name } = this.user(rest);
    return kind < 5 ? name.toLowerCase() : name;
  }

  /** Another of our full agents, or at times somebody else's. */
  peer(pick: number, self: User): { username: string; device: string } {
    const other = [...this.others][pick % 64];
    if (other !== undefined) return { username: other[0], device: other[1] };
    const agents = this.users.filter((user) => user !== self && user.agent !== undefined);
    const { name, agent } = agents[pick % agents.length] as User;
    return { username: name, device: (agent as Agent).deviceId };
  }

  isOther(username: string): boolean {
    return this.#otherNames.includes(username);
  }

  tokenName(pick: number): string {
    const tokens = this.users.filter(({ agent }) => agent === undefined);
    return (tokens[pick % tokens.length] as User).name;
  }

  /** Before it is sent: its messages may arrive before its answer. */
  opening(id: string, members: { username: string; device: string }[]): void {
    if (!this.#memberDevices.has(id))
      this.#memberDevices.set(
        id,
        members.map(({ device }) => device),
      );
  }

  isMember(group: string, device: string): boolean {
    return this.#memberDevices.get(group)?.includes(device) !== false;
  }

  opened(id: string, members: { username: string; device: string }[]): void {
    const group = { id, epoch: 1, members };
    for (const user of this.users)
      if (members.some(({ device }) => device === user.agent?.deviceId)) {
        user.groups.push(group);
        if (user.groups.length > GROUPS) user.groups.shift();
      }
  }

  remember(user: User, past: Past): void {
    user.past.push(past);
    if (user.past.length > PAST) user.past.shift();
  }

  reserved(user: User, blob: string): void {
    user.blobs.push(blob);
    if (user.blobs.length > BLOBS) user.blobs.shift();
  }

  /** The newer device has taken over. */
  replaced(user: User): void {
    if (user.next === undefined) return;
    user.agent = user.next;
    user.next = undefined;
    user.groups = [];
    user.past = [];
  }

  /** Somebody else takes its place: under the same name if it was released. */
  removed(user: User, released: boolean): void {
    const at = this.users.indexOf(user);
    if (at < 0) return;
    const kind = user.agent === undefined ? "token" : "key";
    this.users[at] = released ? this.newUser(kind, user.name) : this.newUser(kind);
  }
}
