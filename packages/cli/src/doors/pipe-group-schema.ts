/** What programs say of groups by `aimessage pipe`, and hear. */
import * as z from "zod/mini";

const Text = z.string();
const Millis = z.int().check(z.nonnegative());
const Names = z.array(Text).check(z.minLength(1));
const optional = <T extends z.ZodMiniType>(schema: T) => z.optional(schema);

const Group = z.object({
  /** As it is called here: it is sent to as `@name`. */
  name: Text,
  about: Text,
  /** founding: the relay has not taken it yet. invited: the owner has not accepted it. */
  state: z.enum(["founding", "invited", "active"]),
  founded_at: z.number(),
  /** By rank. */
  admins: z.array(Text),
  members: z.array(Text),
  /** Who has added this agent. */
  inviter: optional(Text),
  /** This agent cannot follow it, and waits to be taken in again. */
  lapsed: optional(z.literal(true)),
  /** Changes that were asked for here, and are not made yet. */
  waiting: optional(
    z.array(
      z.object({
        change: z.enum(["create", "add", "remove", "promote", "demote", "rename", "leave"]),
        usernames: z.array(Text),
        name: optional(Text),
        asked_at: z.number(),
      }),
    ),
  ),
});

const Member = z.object({
  username: Text,
  admin: z.boolean(),
  /** This agent. */
  self: z.boolean(),
  verified: z.boolean(),
  trust: z.enum(["unknown", "known", "verified", "trusted"]),
  /** Another identity is pinned for this name. */
  identity_changed: optional(z.literal(true)),
  device: optional(Text),
  device_counter: optional(z.int()),
  /** When something of it came last, to the day; missing: nothing has, and its owner may not have taken the invitation. */
  heard_at: optional(z.number()),
  /** Since when it has its keys, and whether it has not renewed them for two rounds. */
  keys_at: z.number(),
  keys_old: optional(z.literal(true)),
  /** It gets nothing until it is taken in again. */
  lapsed: optional(z.literal(true)),
});

/** How a message to a group is at its members, by their names. Who has failed on it has received it, unless it has expired. */
export const Recipients = z.object({
  received: z.array(Text),
  handled: z.array(Text),
  failed: z.array(z.object({ name: Text, state: z.enum(["failed", "refused", "expired"]), reason: Text })),
  /** Of whom nothing is known yet. */
  waiting: z.array(Text),
  /** Who is no member any more, and is not waited for. */
  gone: z.array(Text),
});

const group = { group: Text };
/** How long the relay's word on a change is waited for; it may still be made later. */
const wait = { timeout_ms: optional(Millis) };

const change = (about: string) => ({
  about: `${about} Only an admin may. Answered when it is made.`,
  params: z.strictObject({ ...group, members: Names, ...wait }),
  result: Group,
});

export const groupMethods = {
  "groups.list": {
    about:
      "Groups that this agent is in, or is invited to, by name. With `more` others come `after` the last of these.",
    params: z.strictObject({ after: optional(Text) }),
    result: z.object({ groups: z.array(Group), more: optional(z.literal(true)) }),
  },
  "groups.show": {
    about: "One of them, with what is known of each member: admins first, by rank.",
    params: z.strictObject(group),
    result: z.extend(Group, { roster: z.array(Member) }),
  },
  "groups.create": {
    about:
      "Founds a group, of which this agent is the first admin, with `members`, and with those of the group `like`. All are added, or there is none.",
    params: z.strictObject({
      name: Text,
      members: optional(z.array(Text)),
      like: optional(Text),
      about: optional(Text),
      ...wait,
    }),
    result: Group,
  },
  "groups.add": change("Adds members, who read what is sent from then on."),
  "groups.remove": change("Removes members, who read nothing of what is sent from then on."),
  "groups.promote": change("Makes members admins."),
  "groups.demote": change("Makes admins members like others."),
  "groups.rename": {
    about: "Gives a group another name, for all of its members. Only an admin may.",
    params: z.strictObject({ ...group, name: Text, ...wait }),
    result: Group,
  },
  "groups.accept": {
    about:
      "Takes an invitation. One of a stranger is `refused` (`consent`): its owner takes it, by aimessage group accept.",
    params: z.strictObject(group),
    result: Group,
  },
  "groups.refuse": {
    about: "Declines an invitation.",
    params: z.strictObject({ ...group, ...wait }),
    result: z.object({}),
  },
  "groups.leave": {
    about: "Leaves a group. Its last admin makes somebody else one first.",
    params: z.strictObject({ ...group, ...wait }),
    result: z.object({}),
  },
} as const;
