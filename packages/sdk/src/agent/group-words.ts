/** What is said of changes of groups that are not made, and of groups that are not there: by their names here, with commands that can be pasted. */
import { AgentError, type ErrorCode } from "../errors.ts";
import { wireErrors } from "../protocol/index.ts";
import type { OpEndRecord, OpRecord, TeamRecord } from "../records/team-records.ts";
import { check } from "./arguments.ts";

const NAME = /^[a-z0-9_-]{2,32}$/;
/** Of what somebody has typed. */
const QUOTED = 60;

/** A name of a group as it was given, without the `@`. @throws AgentError usage */
export function groupName(given: string): string {
  check("text", { text: given }, "name");
  const name = given.replace(/^@/, "");
  if (NAME.test(name)) return name;
  const near = nearestName(name);
  throw new AgentError("usage", `"${name.slice(0, QUOTED)}" is no name of a group`, {
    hint: `lower case and no spaces: 2 to 32 of a-z, 0-9, dash and underscore${near === undefined ? "" : `, such as ${near}`}`,
  });
}

/** `My Team!` is `my-team`. Undefined where little is left of it. */
function nearestName(given: string): string | undefined {
  const plain = given.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();
  const name = plain
    .replaceAll(/[^a-z0-9_]+/g, "-")
    .replaceAll(/^-+/g, "")
    .slice(0, 32)
    .replaceAll(/-+$/g, "");
  return NAME.test(name) ? name : undefined;
}

/** `bob`, `bob and carol`, `bob, carol and dave`. */
function together(names: readonly string[], word = "and"): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}

/** Somebody else has to be an admin first. @param others Members beside this agent. */
export function onlyAdmin(here: string, others: readonly string[]): AgentError {
  const [first = "NAME"] = others;
  return new AgentError("failed", `this agent is the only admin of @${here}`, {
    reason: "bad_settings",
    hint: `make another member one first: aimessage group promote @${here} ${first}${others.length > 1 ? `; or, in its place, ${together(others.slice(1, 5), "or")}` : ""}`,
  });
}

export function notAnAdmin(here: string, admins: readonly string[]): AgentError {
  return new AgentError("not_an_admin", `only an admin of @${here} may do this`, {
    hint: `ask one of them: ${admins.join(", ")}`,
  });
}

/** The owner named itself, or nobody. */
export function nobodyElse(names: readonly string[], kind: OpRecord["kind"], group: string): AgentError {
  if (names.length === 0) return new AgentError("usage", "nobody is named", { hint: "name one or more other agents" });
  const ways: Partial<Record<OpRecord["kind"], string>> = {
    remove: `to leave: aimessage group leave @${group}`,
    add: "it is a member; name one or more other agents",
    create: "it is the first member by itself; name the others",
  };
  return new AgentError("usage", "this agent itself is named", { hint: ways[kind] ?? "name one or more other agents" });
}

/** A change as it was asked for. */
interface Asked {
  kind: OpRecord["kind"];
  names: readonly string[];
  /** What its group is called here. */
  here: string;
  /** As it is known now; undefined: it is not there. */
  team: Pick<TeamRecord, "members" | "admins"> | undefined;
  own: string;
}

/** Why a change was not made, or not all of it. */
export function notChanged(asked: Asked, end: OpEndRecord & { reason: string }): AgentError {
  const { reason, who, in_part: isInPart } = end;
  const { here, kind } = asked;
  const { message, hint } = known(asked, end) ?? {
    message: `${who === undefined ? (isInPart === true ? `not all of them were added to @${here}` : kind === "create" ? `@${here} was not founded` : `@${here} was not changed`) : `${who} cannot be added`}: ${reason.replaceAll("_", " ")}`,
    hint: undefined,
  };
  const rest = `see who is in it, and add the others: aimessage group info @${here}`;
  const again = "nothing of the change was made; mend what is named, and try again";
  // What the relay has refused is refused, as everywhere; the rest is ours, or the other members'.
  const isRelays = reason !== "not_a_member" && reason !== "internal" && Object.hasOwn(wireErrors, reason);
  const code: ErrorCode = isRelays ? "refused" : "failed";
  return new AgentError(code, message, { reason, hint: isInPart === true ? rest : (hint ?? again) });
}

interface Words {
  message: string;
  hint: string;
}

function known({ kind, names, here, team, own }: Asked, { reason, who }: OpEndRecord): Words | undefined {
  const isIn = (name: string): boolean => team?.members.includes(name) === true;
  const isAdmin = (name: string): boolean => team?.admins.includes(name) === true;
  switch (reason) {
    case "unknown_user":
      if (who === undefined) return undefined;
      return {
        message: `${who} cannot be added: there is no agent ${who} at this relay`,
        hint: `check the spelling, or have ${who} register first; nothing of the change was made`,
      };
    case "unknown_leaf": {
      const strange = names.filter((name) => !isIn(name));
      return { message: notIn(strange, here), hint: without(strange, { kind, names, here }) };
    }
    case "name_twice": {
      const there = names.filter(isIn);
      const message = `${there.length === 0 ? "somebody who is named" : together(there)} ${there.length > 1 ? "are members" : "is a member"} of @${here} already`;
      return { message, hint: without(there, { kind, names, here }) };
    }
    case "admin_not_member": {
      const strange = names.filter((name) => !isIn(name));
      const hint =
        strange.length === 0
          ? look(here)
          : `add ${one(strange)} first: aimessage group add @${here} ${strange.join(" ")}`;
      return { message: notIn(strange, here), hint };
    }
    case "admin_removed": {
      const admins = names.filter(isAdmin);
      const hint = `demote ${one(admins)} first: aimessage group demote @${here} ${admins.join(" ")}`;
      const message = `${admins.length === 0 ? "somebody who is named" : together(admins)} ${admins.length > 1 ? "are admins" : "is an admin"} of @${here}`;
      return { message, hint: admins.length === 0 ? look(here) : hint };
    }
    case "bad_settings": {
      if (kind !== "demote") return undefined;
      const others = team?.members.filter((name) => name !== own && !names.includes(name)) ?? [];
      const { message, hint = "" } = onlyAdmin(here, others);
      if (names.length === 1 && names[0] === own) return { message, hint };
      const isNobodyLeft = others.length === 0;
      return {
        message: `@${here} needs an admin`,
        hint: isNobodyLeft ? "leave out one of those you have named" : hint,
      };
    }
    case "not_admin":
      return { message: `only an admin of @${here} may do this`, hint: look(here) };
    case "group_quota":
      return {
        message: `@${here} was not ${kind === "create" ? "founded" : "changed"}: group quota`,
        hint: "the relay takes no larger group, or no more of them: aimessage group list",
      };
    case "invalid_data":
      return {
        message: `@${here} was not ${kind === "create" ? "founded" : "changed"}: invalid data`,
        hint: "this relay is older, and does not know groups yet: ask its operator to update it",
      };
    default:
      return undefined;
  }
}

function one(names: readonly string[]): string {
  return names.length === 1 ? (names[0] ?? "") : "them";
}

function notIn(names: readonly string[], here: string): string {
  if (names.length === 0) return `somebody who is named is no member of @${here}`;
  return `${together(names)} ${names.length === 1 ? "is no member" : "are no members"} of @${here}`;
}

function look(here: string): string {
  return `nothing was changed; who is in it: aimessage group info @${here}`;
}

/** The same change of those who are left. */
function without(wrong: readonly string[], { kind, names, here }: Pick<Asked, "kind" | "names" | "here">): string {
  const left = names.filter((name) => !wrong.includes(name));
  if (wrong.length === 0 || left.length === 0) return look(here);
  return `nothing was changed; without ${one(wrong)}: aimessage group ${kind} @${here} ${left.join(" ")}`;
}

const KEPT =
  "the change is kept, and made while a command such as listen runs and the relay is there: aimessage group list shows it";

/** An error of waiting for a change that is on disk, and goes on. */
export function whileKept(error: unknown, kept = KEPT): unknown {
  if (!(error instanceof AgentError) || !["relay_unreachable", "timeout", "aborted"].includes(error.code)) return error;
  const { code, message, hint, reason, retryAfterMs } = error;
  return new AgentError(code, message, {
    hint: hint === undefined ? kept : `${hint}; ${kept}`,
    reason,
    retryAfterMs,
    cause: error,
  });
}
