import { encodeContent, type Header } from "../../src/crypto/content.ts";
import { createDevice } from "../../src/crypto/identity.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../../src/crypto/mls/state.ts";
import { TeamCrypto } from "../../src/crypto/mls/team.ts";
import { foundTeam } from "../../src/crypto/team/changes.ts";
import { teamMessageData } from "../../src/crypto/team/message-data.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, toBase64, utf8 } from "../../src/protocol/index.ts";
import { readAccount } from "../../src/records/own-account.ts";
import { list } from "../../src/records/records.ts";
import { statesIn } from "./attacker.ts";
import type { Frame } from "./proxy.ts";
import type { World } from "./world.ts";

interface Of {
  world: World;
  from: string;
  device: string;
  group: string;
}

function random(bytes: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(bytes));
}

/** A member of a team that keeps none of our rules; or a relay that has made one, with whom it likes for its founder. */
export class HostileTeamMember {
  readonly #of: Of;
  readonly #teams: TeamCrypto;
  #group: Group;
  #sent = 0;

  private constructor(of: Of, teams: TeamCrypto, group: Group) {
    this.#of = of;
    this.#teams = teams;
    this.#group = group;
  }

  /** By the keys of an agent, which has to be closed. */
  static async over(world: World, from: string): Promise<HostileTeamMember> {
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    const teams = await TeamCrypto.load(nodeCryptoProvider);
    return world.memory(from).read(async (tx) => {
      const account = await readAccount(tx);
      const group = (await list(tx, "team-group/")).find(({ state }) => state === "open")?.id ?? "";
      const state = (await statesIn(tx)).get(group);
      if (account === undefined || state === undefined) throw new Error(`${from} is in no team`);
      return new HostileTeamMember({ world, from, device: account.device.id, group }, teams, crypto.decode(state));
    });
  }

  /** A relay alone: it founds a team with an agent whose key packages it has, in the name of whomever it likes. */
  static async posingAs(world: World, from: string, victim: string): Promise<HostileTeamMember> {
    const crypto = await GroupCrypto.load(nodeCryptoProvider);
    const teams = await TeamCrypto.load(nodeCryptoProvider);
    const device = await createDevice(crypto, { username: from, ...(await crypto.generateKeys()) }, 1, Date.now());
    const published = world.proxy.recorded
      .filter(({ agent, toRelay }) => agent === victim && toRelay)
      .flatMap(({ frame }) => (frame.data?.["key_packages"] ?? []) as string[]);
    const settings = { key: random(16), name: "ops", about: "", foundedAt: Date.now(), admins: [from], replaces: "" };
    const members = [fromBase64(published.at(-1) ?? "")];
    const founding = { groupId: random(32), leaf: device, members, now: Date.now() };
    const { group, invitation } = await foundTeam(teams, settings, founding);
    const one = new HostileTeamMember({ world, from, device: device.id, group: groupIdOf(group) }, teams, group);
    const message = toBase64(invitation.welcomes[0]?.welcome ?? new Uint8Array());
    world.proxy.push(victim, one.#frame("welcome", { message_id: "w1", message, tree: toBase64(invitation.tree) }));
    return one;
  }

  /** A message to all, as the relay pushes it to one of them. */
  async says(to: string, text: string, header: Partial<Header> = {}): Promise<void> {
    this.#sent += 1;
    const id = header.id ?? `h${this.#sent}`;
    const marks = {
      id,
      type: "message",
      content_type: "text/plain",
      counter: this.#sent,
      sent_at: Date.now(),
    } as const;
    const { from, device, world } = this.#of;
    const data = teamMessageData({ messageId: id, from, fromDevice: device, expiresAt: undefined });
    const content = encodeContent({ header: { ...marks, ...header }, body: utf8(text) });
    const { group, message } = await this.#teams.encrypt(this.#group, content, data);
    this.#group = group;
    world.proxy.push(to, this.#frame("application", { message: toBase64(message), message_id: id }));
  }

  #frame(kind: string, data: Frame["data"]): Frame {
    const { from, device, group } = this.#of;
    const timestamp = Math.floor(Date.now() / 1000);
    const epoch = epochOf(this.#group);
    return { type: "message", timestamp, data: { kind, from, device, group_id: group, epoch, timestamp, ...data } };
  }
}
