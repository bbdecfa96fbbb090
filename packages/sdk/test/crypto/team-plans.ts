/** A team of five, and plans of commits in it, for tests of the rules. */
import type { Certified, TeamMember } from "../../src/crypto/team/roster.ts";
import type { EpochBefore, Plan } from "../../src/crypto/team/rules.ts";
import type { TeamSettings } from "../../src/crypto/team/settings.ts";
import type { Statement } from "../../src/crypto/team/statements.ts";
import { utf8 } from "../../src/protocol/index.ts";

export const group: string = "ab".repeat(32);
export const settings: TeamSettings = {
  key: new Uint8Array(16),
  name: "team",
  about: "",
  foundedAt: 1,
  admins: ["alice", "bob"],
  replaces: "",
};

/** Somebody's certificate; a device is of an identity and a counter. */
export function certificate(name: string, counter = 1, identity = name): Certified {
  const device = `${name}-${counter}`;
  const said = utf8(`${identity} ${device}`);
  return { name, device, counter, identityKey: utf8(identity), deviceKey: said, certificate: said };
}

const names = ["alice", "bob", "carol", "dave", "erin"];
export const roster: TeamMember[] = names.map((name, leaf) => Object.assign(certificate(name), { leaf }));
export const before: EpochBefore = { group, epoch: 70, settings, roster };
export const leafOf = (name: string): number => roster.find((member) => member.name === name)!.leaf;
export const digestOf = (leaf: number): Uint8Array => utf8(`leaf ${leaf}`.padEnd(32));

export interface Wish {
  by: string;
  remove?: string[];
  add?: (Certified | undefined)[];
  settings?: (TeamSettings | undefined)[];
  statements?: Statement[];
  path?: Plan["path"];
}

const said = ({ name, device }: Certified) => ({ name, device });

/** The plan of an honest commit. */
export function plan({ by, remove = [], add = [], settings = [], statements = [], path }: Wish): Plan {
  const needsPath = settings.length === 0 && (remove.length > 0 || add.length === 0);
  return {
    committer: leafOf(by),
    path: path ?? (needsPath ? "same" : "none"),
    removes: remove.map((name) => ({ leaf: leafOf(name), digest: digestOf(leafOf(name)) })),
    adds: add,
    settings,
    hasOthers: false,
    data: {
      commitId: "c1",
      added: add.flatMap((one) => (one === undefined ? [] : [said(one)])),
      removed: remove.map((name) => said(roster[leafOf(name)]!)),
      statements: statements.map(() => utf8("signed")),
    },
    statements,
  };
}

export function statement(kind: Statement["kind"], name: string, epoch = 70): Statement {
  return { kind, group, name, device: `${name}-1`, epoch, leaf: digestOf(leafOf(name)) };
}
