/** A team in which anything happens, with real certificates, rules and cryptography, and what must hold of it after each step. */
import { type CiphersuiteImpl, type ClientState, decodeMlsMessage, emptyPskIndex, processPrivateMessage } from "ts-mls";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { expect } from "vitest";
import { createDevice, type Device, type Identity } from "../../src/crypto/identity.ts";
import { privatePackage, readKeyPackage } from "../../src/crypto/mls/key-package.ts";
import type { KeyPackagePair } from "../../src/crypto/mls/seam.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { epochOf, groupIdOf, stateOf } from "../../src/crypto/mls/state.ts";
import { joinFrom } from "../../src/crypto/mls/team-join.ts";
import type { Change, Invitation } from "../../src/crypto/mls/team-seam.ts";
import { teamConfig } from "../../src/crypto/mls/team-state.ts";
import { commitChange, followChange, foundTeam, joinTeam } from "../../src/crypto/team/changes.ts";
import { DIRECT, DIRECT_BYTES, openDirect, sealDirect } from "../../src/crypto/team/direct.ts";
import { rosterOf, type TeamMember } from "../../src/crypto/team/roster.ts";
import { decodeSettings, encodeSettings, type TeamSettings } from "../../src/crypto/team/settings.ts";
import { leafDigest, signStatement } from "../../src/crypto/team/statements.ts";
import { lengthPrefixed, utf8 } from "../../src/protocol/index.ts";
import type { Random } from "../random.ts";
import { anyone, type Crypto, now } from "./team.ts";

/** An agent: an identity with its newest device, and, if it is in the team, its group. */
interface Agent {
  identity: Identity;
  device: Device;
  keyPackage: KeyPackagePair;
  group?: Group;
}

/** What somebody has who was in the team, and the library, but none of our rules. */
interface Gone {
  name: string;
  state: ClientState;
  /** Commits and messages that it is still shown. */
  left: number;
}

export const counts: Record<string, number> = {};
const count = (what: string, by = 1) => (counts[what] = (counts[what] ?? 0) + by);

const named = ({ identity, device }: Agent) => ({ name: identity.username, device: device.id });

export class Churn {
  readonly #crypto: Crypto;
  readonly #random: Random;
  readonly #suite: CiphersuiteImpl;
  #agents: Agent[] = [];
  #gone: Gone[] = [];
  #next = 0;

  constructor(crypto: Crypto, random: Random) {
    this.#crypto = crypto;
    this.#random = random;
    this.#suite = crypto.teams.primitives as CiphersuiteImpl;
  }

  async found(size: number): Promise<void> {
    const [founder, ...others] = await Promise.all(Array.from({ length: size }, () => this.#newcomer()));
    const settings: TeamSettings = {
      key: this.#random.bytes(16),
      name: "team",
      about: "",
      foundedAt: now,
      admins: [founder!.identity.username],
      replaces: "",
    };
    const { group, invitation } = await foundTeam(this.#crypto.teams, settings, {
      groupId: this.#random.bytes(32),
      leaf: founder!.device,
      members: others.map(({ keyPackage }) => keyPackage.public),
      now,
    });
    founder!.group = group;
    this.#agents = [founder!];
    for (const other of others) await this.#join(other, invitation, founder!);
    await this.#check();
  }

  get size(): number {
    return this.#agents.length;
  }

  /** One step of any kind. */
  async step(most: number): Promise<void> {
    const kinds = [
      "update",
      "update",
      "update",
      "add",
      "add",
      "remove",
      "replace",
      "leave",
      "rejoin",
      "device",
      "settings",
      "several",
    ];
    const kind = kinds[this.#random.int(kinds.length)]!;
    const [before, known] = [await this.#message(this.#one()), new Set(this.#agents)];
    count(kind);
    if (kind === "update") await this.#commit(this.#one(), {});
    else if (kind === "settings") await this.#settings();
    else if (kind === "leave" || kind === "rejoin" || kind === "device") await this.#byWord([kind]);
    else if (kind === "several") await this.#byWord(["leave", "rejoin", "device"]);
    else await this.#members(kind, most);
    await this.#check();
    for (const late of this.#agents.filter((agent) => !known.has(agent)))
      await this.#cannotRead(this.#lawless(late.group!), before);
    await this.#hear(await this.#message(this.#one()));
    await this.#direct();
  }

  #one(): Agent {
    return this.#agents[this.#random.int(this.#agents.length)]!;
  }

  async #newcomer(): Promise<Agent> {
    const identity = { username: `agent-${this.#next++}`, ...(await this.#crypto.pairs.generateKeys()) };
    return this.#device({ identity } as Agent, 1);
  }

  /** The same agent with another device. */
  async #device({ identity }: Agent, counter: number): Promise<Agent> {
    const device = await createDevice(this.#crypto.pairs, identity, counter, now);
    return { identity, device, keyPackage: await this.#crypto.pairs.makeKeyPackage(device, now) };
  }

  async #members(kind: string, most: number): Promise<void> {
    const { settings, roster } = await this.#seenBy(this.#agents[0]!);
    const admins = this.#agents.filter(({ identity }) => settings.admins.includes(identity.username));
    const by = admins[this.#random.int(admins.length)]!;
    const others = roster.filter(({ name }) => !settings.admins.includes(name));
    const gone =
      kind === "add" || this.size < 3 ? [] : others.filter(() => this.#random.int(others.length) < 1).slice(0, 3);
    const room = kind === "remove" ? 0 : Math.min(most - this.size + gone.length, 1 + this.#random.int(3));
    const newcomers = await Promise.all(Array.from({ length: Math.max(0, room) }, () => this.#newcomer()));
    await this.#commit(by, { remove: gone.map(({ leaf }) => leaf) }, newcomers);
  }

  async #settings(): Promise<void> {
    const { settings } = await this.#seenBy(this.#agents[0]!);
    const by = this.#agents.find(({ identity }) => identity.username === settings.admins[0])!;
    const admins = [...new Set([this.#one(), this.#one(), this.#one()].map(({ identity }) => identity.username))];
    await this.#commit(by, { settings: encodeSettings({ ...settings, admins, name: `name-${this.#random.int(99)}` }) });
  }

  /** Somebody commits what others have said of themselves. */
  async #byWord(kinds: string[]): Promise<void> {
    const { settings, roster } = await this.#seenBy(this.#agents[0]!);
    const by = this.#one();
    const others = this.#agents.filter((agent) => agent !== by);
    const [remove, statements, newcomers]: [number[], Uint8Array[], Agent[]] = [[], [], []];
    for (const kind of kinds) {
      const [agent] = others.splice(this.#random.int(others.length), 1);
      if (agent === undefined || (kind === "leave" && settings.admins.includes(agent.identity.username))) continue;
      const { leaf } = roster.find(({ name }) => name === agent.identity.username)!;
      remove.push(leaf);
      if (kind !== "device") statements.push(await this.#statement(agent, leaf, kind as "leave" | "rejoin"));
      if (kind === "device") newcomers.push(await this.#device(agent, agent.device.counter + 1));
      if (kind === "rejoin")
        newcomers.push({ ...agent, keyPackage: await this.#crypto.pairs.makeKeyPackage(agent.device, now) });
    }
    await this.#commit(by, { remove }, newcomers, statements);
  }

  async #statement({ device, identity, group }: Agent, leaf: number, kind: "leave" | "rejoin"): Promise<Uint8Array> {
    const node = this.#crypto.teams.leafNode(group!, leaf)!;
    const said = { kind, name: identity.username, device: device.id, leaf: await leafDigest(node) };
    const place = { group: groupIdOf(group!), epoch: epochOf(group!) };
    return signStatement(this.#crypto.teams.primitives, { ...said, ...place }, device.privateKey);
  }

  async #commit(by: Agent, change: Change, newcomers: Agent[] = [], statements: Uint8Array[] = []): Promise<void> {
    const { teams } = this.#crypto;
    const add = newcomers.map(({ keyPackage }) => keyPackage.public);
    const whole = change.settings === undefined ? { ...change, add } : change;
    const made = await commitChange(teams, by.group!, whole, { commitId: `c${this.#next++}`, statements, now });
    // A message that is sent while the commit is under way is read after it.
    const underWay = await this.#message(this.#one());
    for (const agent of this.#agents.slice()) {
      if (agent === by) continue;
      const followed = await followChange(teams, agent.group!, made.commit);
      if (followed.kind === "applied") {
        agent.group = followed.group;
        continue;
      }
      if (followed.kind !== "removed") throw new Error(`${agent.identity.username}: ${JSON.stringify(followed)}`);
      this.#gone.push({ name: agent.identity.username, state: this.#lawless(agent.group!), left: 12 });
      this.#agents.splice(this.#agents.indexOf(agent), 1);
    }
    by.group = teams.apply(by.group!, made.pending);
    const { message, by: sender } = underWay;
    for (const agent of this.#agents)
      if (agent !== sender && agent.device !== sender.device) {
        const read = await teams.decrypt(agent.group!, message);
        agent.group = read.group;
      }
    for (const newcomer of newcomers) await this.#join(newcomer, made.invitation!, by);
  }

  async #join(agent: Agent, { welcomes, tree }: Invitation, inviter: Agent): Promise<void> {
    const { teams } = this.#crypto;
    const { welcome } = welcomes.find(({ ref }) => ref === agent.keyPackage.ref)!;
    const { secret } = agent.keyPackage;
    const joined = await joinTeam(teams, { welcome, tree }, secret, agent.device);
    agent.group = joined.group;
    expect(joined.inviter.signatureKey).toEqual(inviter.device.publicKey);
    this.#agents.push(agent);
    count("joins");
    const right = encodeRatchetTree(stateOf(agent.group).ratchetTree);
    const changed = right.with(this.#random.int(right.length), this.#random.int(256));
    if (Buffer.compare(right, changed) === 0) return;
    const message = decodeMlsMessage(welcome, 0)![0];
    if (message.wireformat !== "mls_welcome") throw new Error("not a Welcome");
    const joining = joinFrom(this.#suite, {
      welcome: message.welcome,
      keyPackage: readKeyPackage(agent.keyPackage.public),
      keys: privatePackage(secret, agent.device),
      treeOf: async () => changed,
      authenticate: anyone,
      config: teamConfig(anyone),
    });
    await expect(joining).rejects.toThrow();
    count("changed trees refused");
  }

  async #message(by: Agent): Promise<{ by: Agent; message: Uint8Array }> {
    const { group, message } = await this.#crypto.teams.encrypt(by.group!, this.#random.bytes(20), utf8("bound"));
    by.group = group;
    return { by, message };
  }

  async #hear({ by, message }: { by: Agent; message: Uint8Array }): Promise<void> {
    for (const agent of this.#agents) {
      if (agent === by) continue;
      const read = await this.#crypto.teams.decrypt(agent.group!, message);
      agent.group = read.group;
      expect(read.sender.signatureKey).toEqual(by.device.publicKey);
      count("messages read");
    }
    for (const gone of this.#gone) {
      await this.#cannotRead(gone.state, { message });
      gone.left--;
    }
    this.#gone = this.#gone.filter(({ left }) => left > 0);
  }

  async #direct(): Promise<void> {
    const [from, to] = [this.#one(), this.#one()];
    const { teams } = this.#crypto;
    const place = {
      group: groupIdOf(from.group!),
      epoch: epochOf(from.group!),
      from: named(from),
      to: named(to),
      messageId: "m",
    };
    const secrets = [
      await teams.export(from.group!, DIRECT, DIRECT_BYTES),
      await teams.export(to.group!, DIRECT, DIRECT_BYTES),
    ];
    const { privateKey, publicKey } = from.device;
    const sealed = await sealDirect(teams.primitives, utf8("hi"), place, { secret: secrets[0]!, privateKey });
    const opened = await openDirect(teams.primitives, sealed, place, { secret: secrets[1]!, deviceKey: publicKey });
    expect(opened).toEqual(utf8("hi"));
  }

  /** The state as somebody holds it who keeps to no rule, and forgets nothing. */
  #lawless(group: Group): ClientState {
    const keyRetentionConfig = {
      retainKeysForGenerations: 99,
      retainKeysForEpochs: 99,
      maximumForwardRatchetSteps: 9_999,
    };
    return { ...stateOf(group), clientConfig: { ...teamConfig(anyone), keyRetentionConfig } };
  }

  async #cannotRead(state: ClientState, { message }: { message: Uint8Array }): Promise<void> {
    const decoded = decodeMlsMessage(message, 0)![0];
    if (decoded.wireformat !== "mls_private_message") throw new Error("not a PrivateMessage");
    // Also with the epoch in which it was the one thing that says no, put right.
    for (const epoch of [decoded.privateMessage.epoch, state.groupContext.epoch]) {
      const reading = processPrivateMessage(state, { ...decoded.privateMessage, epoch }, emptyPskIndex, this.#suite);
      await expect(reading).rejects.toThrow();
    }
    count("messages closed to others");
  }

  async #seenBy({ group }: Agent): Promise<{ settings: TeamSettings; roster: TeamMember[] }> {
    const { teams } = this.#crypto;
    return { settings: decodeSettings(teams.settings(group!))!, roster: await rosterOf(teams.leaves(group!)) };
  }

  /** One authenticator, one roster and one set of settings at all; it is who it should be, and admins are members. */
  async #check(): Promise<void> {
    const { teams } = this.#crypto;
    const views = this.#agents.map(({ group }) => {
      const leaves = teams
        .leaves(group!)
        .flatMap(({ index, certificate, signatureKey }) => [index, certificate, signatureKey]);
      return Buffer.from(lengthPrefixed(teams.authenticator(group!), teams.settings(group!), ...leaves)).toString(
        "hex",
      );
    });
    expect(new Set(views).size).toBe(1);
    const { settings, roster } = await this.#seenBy(this.#agents[0]!);
    expect(roster.map(({ name }) => name).sort()).toEqual(this.#agents.map(({ identity }) => identity.username).sort());
    for (const { identity, device, group } of this.#agents) {
      const own = roster.find(({ leaf }) => leaf === teams.ownLeaf(group!));
      expect([own?.name, own?.device]).toEqual([identity.username, device.id]);
    }
    expect(settings.admins.every((admin) => roster.some(({ name }) => name === admin))).toBe(true);
  }
}
