import * as fc from "fast-check";
import { expect } from "vitest";
import type { Blob, BlobRows } from "../../src/store/blob-rows.ts";
import { boxOf, bytes, type Command, command, name, old } from "./command.ts";
import { DAY } from "./days.ts";
import type { ModelBlob } from "./blob-model.ts";
import type { Model } from "./model.ts";

const requestId = fc.constantFrom("p", "p", "q", "r", "s");
const size = fc.constantFrom(1, 1, 1000, 70_000, 200_000, 300_000, 300_001);
const which = fc.nat({ max: 5 });

/** One that is there, or that never was. */
function pick(model: Model, at: number): string {
  const ids = [...model.blobs.all.keys()];
  return ids[at % Math.max(1, ids.length)] ?? "0".repeat(32);
}

let tokens = 0;
export const reserve = fc
  .tuple(name, old, requestId, size, fc.constantFrom(1, 1, 1, 2), fc.constantFrom(undefined, undefined, 1000, 99 * DAY))
  .map(([username, isOld, id, count, readers, ttl]) =>
    command(`${username} asks for room for ${count} bytes as ${id}`, async (model, { store }) => {
      const mailbox = boxOf(model, username, isOld);
      const [readHash, tokenHash] = [bytes(`read ${readers}`), bytes(`token ${++tokens}`)];
      const asked = { mailbox, requestId: id, bytes: count, readers, readHash, tokenHash, ttl };
      const result = await store.blobs.reserve(asked);
      const account = model.active(mailbox);
      if (account === undefined) return expect(result).toEqual({ refused: "device_replaced" });
      const owner = model.name(mailbox);
      const address = account.address === owner ? undefined : account.address;
      const wanted = model.blobs.reserve({ owner, address, requestId: id, bytes: count, readers, ttl }, model.now);
      if ("refused" in wanted) return expect(result).toEqual(wanted);
      expect(result).toMatchObject({ owner, bytes: count, readers, come: wanted.come, sealed: wanted.sealed });
      const { id: given } = result as Blob;
      // The id is the store's choice.
      expect(given).toMatch(/^[0-9a-f]{32}$/);
      if (wanted.id === "") model.blobs.all.set(given, wanted);
      else expect(given).toBe(wanted.id);
      Object.assign(wanted, { id: given, token: tokenHash });
    }),
  );

export const advance = fc.tuple(which, fc.boolean(), fc.nat({ max: 1000 })).map(([at, isRight, part]) =>
  command(`of file ${at} comes more${isRight ? "" : ", from elsewhere"}`, async (model, { store }) => {
    const id = pick(model, at);
    const blob = model.blobs.all.get(id);
    const from = (blob?.come ?? 0) + (isRight ? 0 : 1);
    const to = Math.floor(((blob?.bytes ?? 0) * part) / 1000);
    const moves = blob !== undefined && isRight && !blob.sealed;
    expect(await store.blobs.advance(id, from, to)).toBe(moves);
    if (moves) Object.assign(blob, { come: to, touched: to > from ? model.now : blob.touched });
  }),
);

export const seal = which.map((at) =>
  command(`file ${at} is sealed`, async (model, { store }) => {
    const id = pick(model, at);
    const blob = model.blobs.all.get(id);
    expect(await store.blobs.seal(id)).toBe(blob !== undefined);
    if (blob !== undefined) Object.assign(blob, { sealed: true, come: blob.bytes });
  }),
);

export const removeBlob = fc.tuple(which, fc.option(fc.tuple(name, old), { nil: undefined })).map(([at, by]) =>
  command(`file ${at} is removed${by === undefined ? "" : ` by ${by[0]}`}`, async (model, { store }) => {
    const id = pick(model, at);
    const blob = model.blobs.all.get(id);
    const mailbox = by === undefined ? undefined : boxOf(model, ...by);
    const may = mailbox === undefined || (model.active(mailbox) !== undefined && model.name(mailbox) === blob?.owner);
    expect(await store.blobs.remove(id, mailbox)).toBe(blob !== undefined && may);
    if (may) model.blobs.all.delete(id);
  }),
);

export const sweepBlobs: fc.Arbitrary<Command> = fc.constant(
  command("a sweep of files", async (model, { store }) => {
    const removed: string[] = [];
    for (let some; some === undefined || some.length > 0;) removed.push(...(some = await store.blobs.removeOverdue(2)));
    expect(removed.toSorted()).toEqual(model.blobs.sweep(model.now).toSorted());
  }),
);

/** Whatever may be asked of files is what the model says. */
export async function compareBlobs(model: Model, { store }: { store: { blobs: BlobRows } }): Promise<void> {
  const all = [...model.blobs.all.values()];
  const open = all.filter(({ sealed }) => !sealed);
  expect(await store.blobs.totals()).toEqual({
    count: all.length,
    bytes: sum(all.map(({ bytes: count }) => count)),
    awaited: sum(open.map(({ bytes: count, come }) => count - come)),
  });
  const known = await store.blobs.known([...model.blobs.all.keys(), "0".repeat(32)]);
  expect([...known].toSorted()).toEqual([...model.blobs.all.keys()].toSorted());
  const sealed = all.filter((blob) => blob.sealed).map(({ id }) => id);
  expect((await store.blobs.sealedAfter("", 1000)).map(({ id }) => id)).toEqual(sealed.toSorted());
  for (const blob of all) {
    const found = await store.blobs.find(blob.id);
    if (blob.expires <= model.now) expect(found).toBeUndefined();
    else expect(found).toMatchObject(shown(blob));
  }
}

function shown({ id, owner, bytes: count, readers, come, sealed, token, expires }: ModelBlob): Partial<Blob> {
  return { id, owner, bytes: count, readers, come, sealed, tokenHash: token, expiresAt: expires };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
