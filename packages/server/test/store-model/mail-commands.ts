import { BlockedGroups } from "../../src/store/blocked-groups.ts";
import * as fc from "fast-check";
import { expect } from "vitest";
import type { CommitRequest } from "../../src/store/store.ts";
import { boxOf, type Command, command, expires, group, id, name, off, old } from "./command.ts";
import { commit, send } from "./decisions.ts";

export const sends = fc
  .tuple(name, old, name, group, off, id, fc.boolean(), expires, fc.boolean())
  .map(([from, isOld, to, groupId, offset, messageId, other, after, resume]) =>
    command(
      `${from} sends ${messageId}${other ? "'" : ""} to ${to} in ${groupId}, epoch ${offset}`,
      async (model, real) => {
        const sender = boxOf(model, from, isOld);
        const isKey = model.active(sender)?.kind === "key";
        const known = model.groups.get(groupId);
        const request = {
          sender,
          to,
          message: other ? "another" : "a body",
          sessionId: undefined,
          groupId: isKey ? groupId : undefined,
          epoch: isKey ? (known?.epoch ?? 1) + offset : undefined,
          messageId,
          expiresAt: after === undefined ? undefined : model.now + after,
          resume,
        };
        const blocked = model.blocked.get(sender) ?? new Set<string>();
        model.blocked.set(sender, blocked);
        const its = new BlockedGroups(blocked);
        const result = await real.store.send(request, its);
        const wanted = send(model, request, blocked);
        expect(result).toMatchObject(wanted);
        expect(new Set(its)).toEqual(blocked);
      },
    ),
  );

type Messages = [id: string, expires: number | undefined][];
export const asCommit = (
  from: string,
  isOld: boolean,
  to: string,
  opens: boolean,
  groupId: string,
  offset: number,
  commitId: string,
  messages: Messages,
): Command =>
  command(
    `${from} ${opens ? "opens" : "commits in"} ${groupId} with ${to} by ${commitId}`,
    async (model, { store, places }) => {
      const sender = boxOf(model, from, isOld);
      const epoch = opens ? 0 : Math.max(1, (model.groups.get(groupId)?.epoch ?? 1) + offset);
      const device = `${to.toLowerCase()}-${model.account(to)?.counter ?? 1}`;
      const own = { username: from, device: `${model.name(sender)}-${model.boxes.get(sender)?.counter ?? 1}` };
      const request: CommitRequest = {
        sender,
        commitId,
        groupId,
        epoch,
        members: opens ? [own, { username: to, device }] : undefined,
        commit: opens ? undefined : "commit",
        welcomes: opens ? [{ to, device, welcome: "welcome" }] : [],
        messages: messages.map(([messageId, after]) => ({
          to,
          message: "a body",
          messageId,
          expiresAt: after === undefined ? undefined : model.now + after,
        })),
      };
      expect(await store.commit(request)).toMatchObject(places.answer(commit(model, request)));
    },
  );
export const commits = fc
  .tuple(
    name,
    old,
    name,
    fc.boolean(),
    group,
    off,
    fc.constantFrom("x", "y", "z"),
    fc.array(fc.tuple(id, expires), { maxLength: 3 }),
  )
  .map((one) => asCommit(...one));

export const received = fc.tuple(name, old, fc.nat({ max: 6 })).map(([username, isOld, count]) =>
  command(`${username} has received ${count}`, async (model, { store, places }) => {
    const mailbox = boxOf(model, username, isOld);
    const upTo = model.waiting(mailbox)[count]?.seq;
    const gone = model.waiting(mailbox).filter(({ seq }) => seq <= (upTo ?? model.seq));
    expect(await store.received(mailbox, upTo === undefined ? places.highest : places.of(upTo))).toBe(gone.length);
    model.entries = model.entries.filter((entry) => !gone.includes(entry));
  }),
);

export const reads = fc
  .tuple(name, fc.nat({ max: 3 }), fc.integer({ min: 1, max: 3 }))
  .map(([username, after, messages]) =>
    command(`${username} reads ${messages} behind ${after}`, async (model, { store, places }) => {
      const mailbox = boxOf(model, username, false);
      const from = after === 0 ? 0 : (model.waiting(mailbox)[after - 1]?.seq ?? 0);
      const all = model.waiting(mailbox).filter(({ seq }) => seq > from);
      const { entries, more } = await store.entries(mailbox, places.of(from), { messages, bytes: 1e9 });
      expect(entries.map(({ seq }) => seq)).toEqual(all.slice(0, messages).map(({ seq }) => places.of(seq)));
      expect(more).toBe(all.length > messages);
    }),
  );
