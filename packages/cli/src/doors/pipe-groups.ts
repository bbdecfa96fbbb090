/** Groups as a program at a pipe has them. */
import type { Agent, Wait } from "@aimessage/sdk/node";
import { acceptByProgram, found } from "../group-change.ts";
import { groupJson, memberJson } from "../group-view.ts";
import type { groupMethods } from "./pipe-group-schema.ts";
import type * as z from "zod/mini";

type Name = keyof typeof groupMethods;
type Methods = {
  [M in Name]: (
    params: z.output<(typeof groupMethods)[M]["params"]>,
  ) => Promise<z.input<(typeof groupMethods)[M]["result"]>>;
};

interface Means {
  signal: AbortSignal;
  /** As many as a line has room for. */
  fill: <T extends object>(values: readonly T[]) => T[];
}

type Change = "add" | "remove" | "promote" | "demote";

export function pipeGroups(agent: Agent, { signal, fill }: Means): Methods {
  const wait = (timeout: number | undefined): Wait => ({ signal, ...(timeout === undefined ? {} : { timeout }) });
  const shown = async (name: string) => groupJson(await agent.groups.find(name));
  const change =
    (kind: Change): Methods[`groups.${Change}`] =>
    async ({ group, members, timeout_ms }) => {
      await agent.groups[kind](group, members, wait(timeout_ms));
      return shown(group);
    };
  return {
    "groups.list": async ({ after = "" }) => {
      const known = (await agent.groups.list()).filter(({ name }) => name > after.replace(/^@/, ""));
      const groups = fill(known.map(groupJson));
      return { groups, ...(groups.length < known.length ? { more: true as const } : {}) };
    },
    "groups.show": async ({ group }) => ({
      ...(await shown(group)),
      roster: (await agent.groups.members(group)).map(memberJson),
    }),
    "groups.create": async ({ name, members = [], like, about, timeout_ms }) => {
      const options = { ...(about === undefined ? {} : { about }), ...wait(timeout_ms) };
      return groupJson(await found(agent, name, { members, like, ...options }));
    },
    "groups.add": change("add"),
    "groups.remove": change("remove"),
    "groups.promote": change("promote"),
    "groups.demote": change("demote"),
    "groups.rename": async ({ group, name, timeout_ms }) =>
      groupJson(await agent.groups.rename(group, name, wait(timeout_ms))),
    "groups.accept": async ({ group }) => groupJson(await acceptByProgram(agent, group)),
    "groups.refuse": async ({ group, timeout_ms }) => {
      await agent.groups.refuse(group, wait(timeout_ms));
      return {};
    },
    "groups.leave": async ({ group, timeout_ms }) => {
      await agent.groups.leave(group, wait(timeout_ms));
      return {};
    },
  };
}
